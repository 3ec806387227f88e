//! What `--version` says: Bylaw's version, V8's, and who built V8's library.

use std::sync::LazyLock;

use crate::isolate::{self, Origin};

static TOLD: LazyLock<String> = LazyLock::new(|| {
    let by = match isolate::origin() {
        Origin::Upstream => "upstream's build",
        Origin::Source => "built from source",
    };
    format!("{} (V8 {}, {by})", env!("CARGO_PKG_VERSION"), isolate::version())
});

pub fn told() -> &'static str {
    &TOLD
}
