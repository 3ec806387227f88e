//! `--watch`: what a change touches is read, built and played again.

use super::TestArgs;
use crate::cli::{Verdict, runtime};

pub(super) fn watch(_args: TestArgs, _runtime: &runtime::Stage) -> anyhow::Result<Verdict> {
    anyhow::bail!("todo")
}
