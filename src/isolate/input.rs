//! What a run needs to know of the review, as text that any isolate can take.

use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::ledger::Reserving;
use crate::review::JsonText;

/// Which API server asks (design §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Vantage {
    #[default]
    Host,
    Virtual,
}

impl Vantage {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Virtual => "virtual",
        }
    }
}

/// One review on its way into isolates. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Input {
    /// The AdmissionRequest as sent, or with the object that earlier policies left.
    pub request: JsonText,
    /// `{"name": …, "labels": …}` of the namespace, where there is one; labels only where they are known.
    pub namespace: Option<Arc<str>>,
    /// Contract §3's `tenant`, as JSON.
    pub tenant: Arc<str>,
    pub vantage: Vantage,
    /// On the host: the object as its tenant knows it, where it is truly one of a tenant's.
    pub view: Option<JsonText>,
    pub dry_run: bool,
    /// Milliseconds since 1970: what `now` says to every policy of the review.
    pub now: f64,
    /// Whether to count what each policy allocates, which costs microseconds.
    pub measure: bool,
    /// What policies reserve for the request goes with it; nothing can be reserved without.
    pub reserving: Option<Arc<Reserving>>,
    /// When the answer must be out.
    pub deadline: Instant,
}

/// The tenant of a request that belongs to none.
#[must_use]
pub fn no_tenant() -> Arc<str> {
    static NONE: OnceLock<Arc<str>> = OnceLock::new();
    let text = || Arc::from(r#"{"kind":"none","trusted":false,"name":"","namespace":"","labels":{},"parameters":{}}"#);
    Arc::clone(NONE.get_or_init(text))
}

/// The wall clock as `Input::now` wants it.
#[must_use]
pub fn now_millis() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3).floor()
}
