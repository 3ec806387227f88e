//! `--watch`: what a change touches is read, built and played again; the rest keeps its result.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use super::session::Session;
use super::{Report, TestArgs};
use crate::cases::CaseError;
use crate::cli::{Verdict, runtime};
use crate::isolate::Tools;
use crate::policy::{Watched, watch};

/// Watches until interrupted. The code says how the last run went.
pub(super) fn run(args: TestArgs, runtime: &runtime::Stage) -> anyhow::Result<Verdict> {
    let mut session = Session::open(&args, runtime, Tools::None)?;
    let first = runtime.block_on(session.run());
    let is_good = Arc::new(AtomicBool::new(show(&args, first)?));
    let subject = WatchedSession { session, runtime: runtime.handle().clone() };
    let last = Arc::clone(&is_good);
    let watcher = watch(subject, move |report| {
        last.store(show(&args, report).unwrap_or_default(), Ordering::Relaxed);
    })?;
    runtime.block_on(interrupted())?;
    drop(watcher);
    Ok(if is_good.load(Ordering::Relaxed) { Verdict::Yes } else { Verdict::No })
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

struct WatchedSession {
    session: Session,
    runtime: Handle,
}

impl Watched for WatchedSession {
    type News = Result<Report, CaseError>;

    fn folders(&self) -> BTreeSet<PathBuf> {
        self.session.folders()
    }

    fn reload(&mut self, touched: &BTreeSet<PathBuf>) -> Option<Self::News> {
        self.session.refresh(touched).then(|| self.runtime.block_on(self.session.run()))
    }

    fn wake_with(&self, wake: impl Fn(PathBuf) + Send + Clone + 'static) {
        self.session.wake_with(wake);
    }
}

/// Shows a run; whether it was good. What is wrong may be mended in the next moment.
fn show(args: &TestArgs, report: Result<Report, CaseError>) -> anyhow::Result<bool> {
    match report {
        Ok(report) => {
            args.show(&report)?;
            Ok(report.failed() == 0)
        }
        Err(error) => {
            eprintln!("error: {error}");
            Ok(false)
        }
    }
}
