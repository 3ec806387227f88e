//! What `bylaw serve` does in a cluster beside answering: denials are told there, exceptions are heeded.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::cluster::{ExceptionWatch, watch_exceptions};
use crate::engine::Engine;
use crate::policy::{Exceptions, Pattern};
use crate::reports::{ReportSettings, Reports, Sources};

/// What is told of denials while the server stops, at the pace of reports; what is left then is lost.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Ends with the server.
pub(super) struct Oversight {
    reports: Option<Reports>,
    _exceptions: Option<ExceptionWatch>,
}

impl Oversight {
    /// Begins. Nothing here keeps the server from serving: what the cluster lacks is said in the log.
    pub(super) fn start(sources: Sources, engine: &Arc<Engine>, runtime: &Handle, settings: &ReportSettings) -> Self {
        let allowed: Arc<[Pattern]> =
            settings.allow_exceptions.iter().filter_map(|text| Pattern::parse(text)).collect();
        let exceptions = (!allowed.is_empty()).then(|| {
            let engine = Arc::clone(engine);
            watch_exceptions(sources.client.clone(), runtime, move |known| {
                engine.set_exceptions(Exceptions::new(Arc::clone(&allowed), known));
            })
        });
        let reports = Reports::start(sources, settings);
        if let Some(reports) = &reports {
            engine.report_to(reports.recorder());
        }
        Self { reports, _exceptions: exceptions }
    }

    pub(super) async fn finish(self) {
        if let Some(reports) = self.reports {
            reports.finish(LAST_WORDS).await;
        }
    }
}
