//! What `bylaw serve` does in a cluster beside answering: denials are told there, exceptions are heeded.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::cluster::{ExceptionWatch, watch_exceptions};
use crate::engine::Engine;
use crate::operator::Leadership;
use crate::policy::{Exceptions, Pattern};
use crate::reports::{Background, Recorder, ReportSettings, Reports, Sources};

/// What is told of denials while the server stops, at the pace of reports; what is left then is lost.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Ends with the server.
pub(super) struct Oversight {
    reports: Option<Reports>,
    scanning: Option<AbortHandle>,
    _exceptions: Option<ExceptionWatch>,
}

impl Oversight {
    /// Begins. Nothing here keeps the server from serving: what the cluster lacks is said in the log.
    /// `leadership` says which of the replicas scans.
    pub(super) fn start(
        sources: Sources,
        engine: &Arc<Engine>,
        (runtime, leadership): (&Handle, Leadership),
        settings: &ReportSettings,
    ) -> Self {
        let allowed: Arc<[Pattern]> =
            settings.allow_exceptions.iter().filter_map(|text| Pattern::parse(text)).collect();
        let exceptions = (!allowed.is_empty()).then(|| {
            let engine = Arc::clone(engine);
            watch_exceptions(sources.client.clone(), runtime, move |known| {
                engine.set_exceptions(Exceptions::new(Arc::clone(&allowed), known));
            })
        });
        let (client, metrics) = (sources.client.clone(), Arc::clone(&sources.metrics));
        let reports = Reports::start(sources, settings);
        let mut scanning = None;
        if let Some(reports) = &reports {
            engine.report_to(reports.recorder());
            let background = Background::new(client, engine, reports, (settings, leadership, metrics));
            scanning = background.map(|background| runtime.spawn(background.run()).abort_handle());
        }
        Self { reports, scanning, _exceptions: exceptions }
    }

    /// Where denials are told.
    pub(super) fn recorder(&self) -> Option<Recorder> {
        self.reports.as_ref().map(Reports::recorder)
    }

    pub(super) async fn finish(self) {
        self.scanning.inspect(AbortHandle::abort);
        if let Some(reports) = self.reports {
            reports.finish(LAST_WORDS).await;
        }
    }
}
