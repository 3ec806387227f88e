//! Hot reload: folders are watched, and a change is enforced within 300 ms.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::bundle::shown_path;

use super::catalog::Catalog;
use super::error::PolicyError;
use super::loader::Loader;

/// An editor's save is several events: reading starts when nothing came for this long …
const QUIET: Duration = Duration::from_millis(40);

/// … or this long after the first, so that a storm of changes cannot put it off.
const LONGEST_WAIT: Duration = Duration::from_millis(120);

/// What comes from elsewhere, such as an object of a cluster, is whole when it comes. It is waited for so long all the same
/// whether there is more, for each reading costs something …
const ARRIVALS: Duration = Duration::from_millis(3);

/// … but no longer than this.
const LONGEST_ARRIVALS: Duration = Duration::from_millis(30);

/// Events can be lost (a full kernel queue, a network file system): files are looked at this often all the same.
const RESCAN: Duration = Duration::from_secs(5);

/// How often files are looked at where there are no events.
const POLL: Duration = Duration::from_secs(1);

/// Events waiting to be read. One that finds it full may be dropped: the reader looks at every file anyway.
const QUEUE: usize = 1_024;

/// Why to read.
#[derive(Debug)]
enum Event {
    /// Somebody is writing these files.
    Written(Vec<PathBuf>),
    /// Something for this file, or for what takes the place of one, has come.
    Arrived(PathBuf),
}

impl Event {
    /// How long nothing more must come before reading starts, and how long that may put it off.
    const fn patience(&self) -> (Duration, Duration) {
        match self {
            Self::Written(_) => (QUIET, LONGEST_WAIT),
            Self::Arrived(_) => (ARRIVALS, LONGEST_ARRIVALS),
        }
    }

    fn paths(self) -> Vec<PathBuf> {
        match self {
            Self::Written(paths) => paths,
            Self::Arrived(path) => vec![path],
        }
    }
}

/// Ends the watching when dropped.
#[must_use = "dropping it ends the watching"]
pub struct PolicyWatcher {
    stop: Arc<AtomicBool>,
    wake: Sender<Event>,
}

impl Drop for PolicyWatcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Full means that it wakes anyway.
        let _ = self.wake.try_send(Event::Written(Vec::new()));
    }
}

/// What is made of files.
pub trait Watched: Send + 'static {
    /// What a change makes new.
    type News;

    /// The folders in which a change matters.
    fn folders(&self) -> BTreeSet<PathBuf>;

    /// Reads again what changed; `touched` names files that certainly did. `None` where nothing did.
    fn reload(&mut self, touched: &BTreeSet<PathBuf>) -> Option<Self::News>;

    /// Takes what tells of a file whose reading, put off, has come to its end.
    fn wake_with(&self, wake: impl Fn(PathBuf) + Send + Clone + 'static);
}

impl Watched for Loader {
    type News = Arc<Catalog>;

    fn folders(&self) -> BTreeSet<PathBuf> {
        Self::folders(self)
    }

    fn reload(&mut self, touched: &BTreeSet<PathBuf>) -> Option<Arc<Catalog>> {
        Self::reload(self, touched)
    }

    fn wake_with(&self, wake: impl Fn(PathBuf) + Send + Clone + 'static) {
        Self::wake_with(self, wake);
    }
}

/// Watches what was made of files, such as what a loader has loaded, and gives what is new to `publish`, on a thread of
/// its own. Where the system gives no watches, files are looked at every second instead, and a warning says so.
///
/// # Errors
/// Where the system gives no thread.
pub fn watch<W: Watched>(
    mut loader: W,
    mut publish: impl FnMut(W::News) + Send + 'static,
) -> Result<PolicyWatcher, PolicyError> {
    let (wake, events) = bounded(QUEUE);
    let stop = Arc::new(AtomicBool::new(false));
    let mut folders = Folders::new(wake.clone());
    let arrived = wake.clone();
    // A full queue loses nothing: see QUEUE.
    loader.wake_with(move |path| drop(arrived.try_send(Event::Arrived(path))));
    folders.follow(&loader.folders(), &BTreeSet::new());
    let stopped = Arc::clone(&stop);
    let work = move || {
        while let Some(touched) = next_change(&events, &stopped, folders.patience()) {
            if let Some(catalog) = loader.reload(&touched) {
                publish(catalog);
            }
            // Files and folders may have come into a new folder before it was watched.
            let mut is_new = folders.follow(&loader.folders(), &touched);
            while is_new && !stopped.load(Ordering::Relaxed) {
                if let Some(catalog) = loader.reload(&BTreeSet::new()) {
                    publish(catalog);
                }
                is_new = folders.follow(&loader.folders(), &BTreeSet::new());
            }
        }
    };
    let spawned = std::thread::Builder::new().name("policy-watch".to_owned()).spawn(work);
    spawned.map_err(|error| PolicyError::Watch { reason: error.to_string() })?;
    Ok(PolicyWatcher { stop, wake })
}

/// Waits for a change to settle. Empty after `patience` without one; `None` at the end.
fn next_change(events: &Receiver<Event>, stopped: &AtomicBool, patience: Duration) -> Option<BTreeSet<PathBuf>> {
    let first = match events.recv_timeout(patience) {
        Ok(event) => event,
        Err(RecvTimeoutError::Timeout) => return (!stopped.load(Ordering::Relaxed)).then(BTreeSet::new),
        Err(RecvTimeoutError::Disconnected) => return None,
    };
    let begun = Instant::now();
    let (mut quiet, mut longest) = first.patience();
    let mut touched: BTreeSet<PathBuf> = first.paths().into_iter().collect();
    while !touched.is_empty() && !stopped.load(Ordering::Relaxed) {
        let remaining = longest.saturating_sub(begun.elapsed());
        let Ok(event) = events.recv_timeout(quiet.min(remaining)) else { break };
        // Whoever writes a file may not be done when something else comes.
        let (its_quiet, its_longest) = event.patience();
        (quiet, longest) = (quiet.max(its_quiet), longest.max(its_longest));
        touched.extend(event.paths());
    }
    (!stopped.load(Ordering::Relaxed)).then_some(touched)
}

/// The folders that are watched, each without those inside it: what the loader skips costs no watch.
struct Folders {
    /// `None` where the system has no watches left.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// Folders that could not be watched, each told of once.
    refused: BTreeSet<PathBuf>,
}

impl Folders {
    fn new(wake: Sender<Event>) -> Self {
        let on_event = move |event: notify::Result<notify::Event>| {
            let paths = match event {
                Ok(event) if is_change(event.kind) => event.paths,
                Ok(_) => return,
                Err(error) => error.paths,
            };
            // A full queue loses no change: see QUEUE.
            let _ = wake.try_send(Event::Written(paths));
        };
        let watcher = notify::recommended_watcher(on_event);
        if let Err(error) = &watcher {
            tracing::warn!("policies cannot be watched, and are looked at every {} s: {error}", POLL.as_secs());
        }
        Self { watcher: watcher.ok(), watched: BTreeSet::new(), refused: BTreeSet::new() }
    }

    /// How long to wait for an event before looking at the files without one.
    fn patience(&self) -> Duration {
        if self.watcher.is_some() && self.refused.is_empty() { RESCAN } else { POLL }
    }

    /// Watches exactly these; whether there are new ones among them. One that was touched itself may be another folder
    /// of the same name, and is watched anew.
    fn follow(&mut self, folders: &BTreeSet<PathBuf>, touched: &BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let is_kept = |folder: &PathBuf| folders.contains(folder) && !touched.contains(folder);
        for gone in self.watched.iter().filter(|folder| !is_kept(folder)) {
            // It is most often gone because it was deleted.
            let _ = watcher.unwatch(gone);
        }
        self.watched.retain(is_kept);
        self.refused.retain(|folder| folders.contains(folder));
        let mut is_new = false;
        for folder in folders.difference(&self.watched.clone()) {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    is_new = true;
                    self.refused.remove(folder);
                    self.watched.insert(folder.clone());
                }
                Err(error) => {
                    if self.refused.insert(folder.clone()) {
                        let (folder, seconds) = (shown_path(folder), POLL.as_secs());
                        tracing::warn!(folder, "cannot be watched, and is looked at every {seconds} s: {error}");
                    }
                }
            }
        }
        is_new
    }
}

/// Reading a file is an event too, and the loader reads.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
