//! Policies that come with packages: bundled on threads of their own, so that a registry that takes its time holds up
//! no other policy. The first load waits for all of them; later ones serve what they have until the rest is there.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bundle::BundleError;
use crate::bundle::npm::{Lock, Made, NpmError, Options, Source, make};

use super::error::PolicyError;
use super::locks::ManifestLock;
use super::objects::folder_of;

/// Bundling is a matter of one processor; a registry that hangs must not take both.
const AT_ONCE: usize = 2;

/// How long after a failure that may well pass it is tried again: doubled each time, up to the longest. Others are tried
/// again after the longest: what is wrong may stand in a file that is not watched, such as `.npmrc`.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What came of a source.
pub(super) enum Answer {
    Made(Arc<Made>),
    Failed(BundleError),
    /// It is being bundled.
    Pending,
}

/// A source, and the manifest or tarball that it stands for.
type Key = (PathBuf, String);

#[derive(Default)]
struct State {
    jobs: BTreeMap<Key, Job>,
    queue: VecDeque<(Key, Source, Lock)>,
    running: usize,
    /// Files of which something was bundled since they were read.
    finished: BTreeSet<PathBuf>,
}

#[derive(Default)]
struct Job {
    is_running: bool,
    /// Of the last time.
    done: Option<Result<Arc<Made>, BundleError>>,
    failures: u32,
    /// When to try again.
    due: Option<Instant>,
}

type Wake = Box<dyn Fn(PathBuf) + Send>;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wake: Mutex<Option<Wake>>,
}

/// All that is being bundled, and what came of it.
#[derive(Default, Clone)]
pub(super) struct Packages(Arc<Shared>);

impl Packages {
    /// From now on `wake` is told of each file of which something was bundled.
    pub(super) fn wake_with(&self, wake: impl Fn(PathBuf) + Send + 'static) {
        *self.0.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    }

    /// Waits until nothing is being bundled; the files of which something was, since they were read.
    pub(super) fn wait(&self) -> BTreeSet<PathBuf> {
        let mut state = self.state();
        while state.running > 0 {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.finished)
    }

    /// The files that are to be read again: something of them was bundled, or is due for another try.
    pub(super) fn due(&self) -> BTreeSet<PathBuf> {
        let mut state = self.state();
        let now = Instant::now();
        let mut due = std::mem::take(&mut state.finished);
        let again = state.jobs.iter().filter(|(_, job)| !job.is_running && job.due.is_some_and(|due| due <= now));
        due.extend(again.map(|((file, _), _)| file.clone()));
        due
    }

    /// A file that has changed is tried at once, whatever came of it before.
    fn hurry(&self, file: &Path) {
        for (_, job) in self.state().jobs.iter_mut().filter(|((asked_by, _), _)| asked_by == file) {
            job.due = None;
        }
    }

    /// Forgets failures of files that are gone.
    pub(super) fn retain(&self, is_there: impl Fn(&Path) -> bool) {
        self.state().jobs.retain(|(file, _), job| job.is_running || is_there(file));
    }

    fn ask(&self, key: &Key, source: &Source, lock: &Lock) -> Answer {
        let mut state = self.state();
        let job = state.jobs.entry(key.clone()).or_default();
        let is_due = job.due.is_none_or(|due| due <= Instant::now());
        let answer = match &job.done {
            Some(Ok(made)) => return Answer::Made(Arc::clone(made)),
            Some(Err(error)) if job.is_running || !is_due => return Answer::Failed(error.clone()),
            // Told of until the next try has come to its end.
            Some(Err(error)) => Answer::Failed(error.clone()),
            None => Answer::Pending,
        };
        if !job.is_running {
            job.is_running = true;
            state.queue.push_back((key.clone(), source.clone(), lock.clone()));
            self.start(&mut state);
        }
        answer
    }

    /// Forgets what a file does not ask for any more, and what it has got.
    fn settle(&self, file: &Path, asked: &BTreeSet<Key>) {
        let is_wanted = |key: &Key, job: &Job| {
            key.0 != file || job.is_running || asked.contains(key) && !matches!(job.done, Some(Ok(_)))
        };
        self.state().jobs.retain(|key, job| is_wanted(key, job));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, state: &mut State) {
        if state.running >= AT_ONCE {
            return;
        }
        let packages = self.clone();
        let spawned = std::thread::Builder::new().name("packages".to_owned()).spawn(move || packages.work());
        if spawned.is_ok() {
            state.running += 1;
        } else if state.running == 0 {
            // Nobody would ever come for them.
            for (key, ..) in std::mem::take(&mut state.queue) {
                let error = NpmError::Process { reason: "has no thread to wait for it".to_owned() };
                finish(state, &key, Err(error.into()));
            }
        }
    }

    fn work(&self) {
        loop {
            let mut state = self.state();
            let Some((key, source, lock)) = state.queue.pop_front() else {
                state.running -= 1;
                self.0.changed.notify_all();
                return;
            };
            drop(state);
            let made = bundle(&source, &key.0, lock);
            finish(&mut self.state(), &key, made.map(Arc::new));
            if let Some(wake) = &*self.0.wake.lock().unwrap_or_else(PoisonError::into_inner) {
                wake(key.0);
            }
        }
    }
}

/// What one file asks for while it is read.
pub(super) struct Orders<'p> {
    packages: &'p Packages,
    file: &'p Path,
    lock: OnceCell<Result<ManifestLock, NpmError>>,
    /// What was resolved before, where no file keeps it.
    known: Option<Lock>,
    asked: RefCell<BTreeSet<Key>>,
    made: RefCell<Lock>,
}

impl<'p> Orders<'p> {
    /// `is_new`: the file is not what it was when it was last read.
    pub(super) fn new(packages: &'p Packages, file: &'p Path, is_new: bool) -> Self {
        if is_new {
            packages.hurry(file);
        }
        let (lock, known) = (OnceCell::new(), None);
        Self { packages, file, lock, known, asked: RefCell::default(), made: RefCell::default() }
    }

    /// The same of an object, for which others keep what was resolved.
    pub(super) fn of_object(packages: &'p Packages, source: &'p Path, is_new: bool, known: Lock) -> Self {
        Self { known: Some(known), ..Self::new(packages, source, is_new) }
    }

    /// Ends the reading of an object: the packages that it came with.
    pub(super) fn finish(self) -> Lock {
        self.packages.settle(self.file, &self.asked.borrow());
        self.made.into_inner()
    }

    /// What a source comes to; `subject` is what it is for.
    pub(super) fn made(&self, source: &Source, subject: &str) -> Result<Arc<Made>, PolicyError> {
        let lock = if let Some(known) = &self.known {
            known
        } else {
            let kept = self.lock.get_or_init(|| ManifestLock::read(self.file));
            &kept.as_ref().map_err(|error| BundleError::from(error.clone()))?.lock
        };
        let source_text = serde_json::to_string(source).map_err(|error| PolicyError::NotAPolicy {
            file: subject.to_owned(),
            reason: format!("cannot be bundled: {error}"),
        })?;
        let key = (self.file.to_owned(), source_text);
        let answer = self.packages.ask(&key, source, lock);
        self.asked.borrow_mut().insert(key);
        match answer {
            Answer::Made(made) => {
                self.made.borrow_mut().absorb(made.lock.clone());
                Ok(made)
            }
            Answer::Failed(error) => Err(error.into()),
            Answer::Pending => Err(PolicyError::Pending),
        }
    }

    /// Ends the reading. `asked` is all that the file asks of registries, also what it did not ask for anew; `None`
    /// where that is not known. The message, if what was resolved could not be kept where it belongs.
    pub(super) fn close(self, asked: Option<&BTreeSet<String>>) -> Option<String> {
        self.packages.settle(self.file, &self.asked.borrow());
        let Some(Ok(kept)) = self.lock.get() else { return None };
        let mut lock = kept.lock.clone();
        let made = self.made.into_inner();
        // What came from `node_modules` is kept there.
        if !made.asked.is_empty() {
            lock.absorb(made);
        }
        if let Some(asked) = asked {
            lock.keep(asked);
        }
        kept.write(&lock)
    }
}

fn bundle(source: &Source, file: &Path, lock: Lock) -> Result<Made, BundleError> {
    make(source, &Options::load(folder_of(file), lock)?)
}

fn finish(state: &mut State, key: &Key, made: Result<Arc<Made>, BundleError>) {
    let Some(job) = state.jobs.get_mut(key) else { return };
    job.is_running = false;
    let pause = match &made {
        Ok(_) => None,
        Err(BundleError::Package(error)) if error.is_transient() => {
            Some(FIRST_PAUSE.saturating_mul(1 << job.failures.min(6)).min(LONGEST_PAUSE))
        }
        Err(_) => Some(LONGEST_PAUSE),
    };
    job.failures = if pause.is_some() { job.failures + 1 } else { 0 };
    job.due = pause.map(|pause| Instant::now() + pause);
    job.done = Some(made);
    state.finished.insert(key.0.clone());
}
