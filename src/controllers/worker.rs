//! One controller at work: its kinds, its objects one after another, what it says of each.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Shared;
use super::causes::Left;
use super::inbox::{Inbox, until};
use super::kinds::{self, Found};
use super::queue::{Key, Known, Next, Queue};
use super::request::Subject;
use super::standing::{LOOP_DETECTED, Standing, TOO_MANY_OBJECTS};
use super::verdict::{Outcome, Waits};
use crate::cluster::{Followed, Kind, StoredObject, Trouble};
use crate::engine::Told;
use crate::isolate::Evaluated;
use crate::policy::{Dialect, Enforcement, Revision};
use crate::review::{JsonText, Operation};
use crate::telemetry::{PolicyKind, PolicyMetrics};

/// How soon the cluster is asked again for kinds that it does not serve.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// How often it is looked whether the watches go on.
const LOOK: Duration = Duration::from_secs(5);

/// A run may wait so long for an isolate, beyond its own timeout: no request waits behind it.
const WAITS_FOR_ISOLATE: Duration = Duration::from_secs(10);

pub(super) struct Worker {
    shared: Arc<Shared>,
    revision: Arc<Revision>,
    inbox: Arc<Inbox>,
    own: Arc<PolicyMetrics>,
    watched: BTreeMap<Kind, Watched>,
    /// Resources that are not served yet, and how long was waited for them last.
    missing: Vec<String>,
    look: Duration,
    has_looked: bool,
    waits: Waits,
    runs: u64,
}

struct Watched {
    followed: Followed,
    plural: String,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, revision: Arc<Revision>) -> Self {
        let own = shared.metrics.policy(&revision.spec.name, &revision.code.hash);
        let queue = Queue::new(Arc::clone(&shared.room));
        let (matcher, metrics) = (Arc::clone(&revision.matcher), Arc::clone(&shared.metrics));
        let inbox = Arc::new(Inbox::new(queue, matcher, metrics, Arc::clone(&own)));
        let (watched, missing) = Default::default();
        let (look, waits) = (FIRST_LOOK, Waits::default());
        Self { shared, revision, inbox, own, watched, missing, look, has_looked: false, waits, runs: 0 }
    }

    /// Works until it is told to stop; a run that has begun comes to its end.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let name = Arc::clone(&self.revision.spec.name);
        self.shared.writes.open(&name);
        match kinds::refusal(&self.revision) {
            Some(why) => self.stand(Standing::not_started(why)),
            None => {
                self.work(&mut stop).await;
            }
        }
        self.shared.writes.close(&name);
        self.watched.clear();
    }

    /// Returns when it is told to stop, or must not go on.
    async fn work(&mut self, stop: &mut watch::Receiver<bool>) -> Option<()> {
        let resync = self.resync();
        let mut due = Instant::now() + resync;
        let mut look = Instant::now();
        loop {
            if look <= Instant::now() {
                look = Instant::now() + unless_stopped(stop, self.look()).await?;
            }
            if self.inbox.take_missed() {
                self.tell_all();
            }
            tokio::select! {
                biased;
                () = stopped(stop) => return None,
                () = until(Some(look)) => {}
                () = until(Some(due)) => {
                    due = Instant::now() + resync;
                    self.tell_all();
                }
                (key, known) = self.inbox.next() => {
                    self.take(&key, &known, stop).await?;
                }
            }
        }
    }

    /// jsPolicy's ten percent, so that not all controllers ask at once; the same each time.
    fn resync(&self) -> Duration {
        let mut hasher = DefaultHasher::new();
        self.revision.spec.name.hash(&mut hasher);
        let share = u32::try_from(hasher.finish() % 21).unwrap_or_default();
        self.shared.settings.resync() / 100 * (90 + share)
    }

    fn tell_all(&self) {
        for watched in self.watched.values() {
            watched.followed.tell_all(&*self.inbox);
        }
    }

    /// Looks for kinds that are not watched yet, and whether the others are; says how long that is good for.
    async fn look(&mut self) -> Duration {
        if !self.has_looked || !self.missing.is_empty() {
            match kinds::find(&self.shared.survey, &self.revision).await {
                Ok(found) => self.follow(found).await,
                Err(error) => {
                    self.stand(Standing::not_started(error.to_string()));
                    return self.next_look();
                }
            }
        }
        let standing = self.standing();
        let is_settled = standing == Standing::Running && self.missing.is_empty();
        self.stand(standing);
        if is_settled { LOOK } else { self.next_look() }
    }

    fn next_look(&mut self) -> Duration {
        let look = self.look;
        self.look = (look * 2).min(LONGEST_LOOK);
        look
    }

    async fn follow(&mut self, found: Found) {
        let Found { kinds, mut missing } = found;
        self.has_looked = true;
        for listed in kinds {
            if self.watched.contains_key(&listed.kind) {
                continue;
            }
            let inbox = Arc::downgrade(&self.inbox);
            match self.shared.cluster.follow(&listed.kind, inbox).await {
                Ok(followed) => {
                    self.shared.writes.watches(&self.revision.spec.name, &listed.kind);
                    self.watched.insert(listed.kind, Watched { followed, plural: listed.plural });
                    self.look = FIRST_LOOK;
                }
                Err(error) => {
                    tracing::debug!(kind = %listed.kind, %error, "not watched yet");
                    missing.push(listed.plural);
                }
            }
        }
        self.missing = missing;
    }

    fn standing(&self) -> Standing {
        let stale = self.shared.cluster.stale();
        let mut opening = None;
        for (kind, watched) in &self.watched {
            match watched.followed.trouble(stale) {
                None => {}
                Some(Trouble::Opening) => opening = Some(format!("{kind} is being listed")),
                Some(Trouble::Failing(error)) => {
                    return Standing::not_started(format!("{kind} cannot be watched: {error}"));
                }
                Some(Trouble::TooLarge) => {
                    let message = format!("there are more objects of {kind} than are kept in memory");
                    return Standing::Stopped { reason: TOO_MANY_OBJECTS, message };
                }
            }
        }
        match opening {
            _ if !self.missing.is_empty() => {
                let missing = self.missing.join(", ");
                Standing::not_started(format!(
                    "the cluster does not serve {missing}: install the CRD, or mend the name"
                ))
            }
            Some(opening) => Standing::Starting(opening),
            None => Standing::Running,
        }
    }

    fn stand(&self, standing: Standing) {
        self.shared.board.set(&self.revision.spec.name, standing);
    }

    /// Looks at one object; `None` where the controller must not go on.
    async fn take(&mut self, key: &Key, known: &Known, stop: &mut watch::Receiver<bool>) -> Option<()> {
        let next = self.process(key, known, stop).await?;
        self.inbox.done(key, next);
        let Some(why) = self.shared.writes.end(&self.revision.spec.name).looped else { return Some(()) };
        tracing::error!(policy = &*self.revision.spec.name, "{why}");
        self.stand(Standing::Stopped { reason: LOOP_DETECTED, message: why.to_string() });
        None
    }

    async fn process(&mut self, key: &Key, known: &Known, stop: &mut watch::Receiver<bool>) -> Option<Next> {
        let shared = Arc::clone(&self.shared);
        let Some(Watched { followed, plural }) = self.watched.get(&key.kind) else { return Some(Next::Never) };
        let object = followed.get(&key.namespace, &key.name);
        let plural = plural.clone();
        let subject = Subject { key, plural: &plural, object: object.as_ref(), last: known.last.as_ref() };
        let Some(is_dry) = unless_stopped(stop, self.asks_about(&subject)).await? else { return Some(Next::Never) };
        let spec = Arc::clone(&self.revision.spec);
        let wait = shared.writes.wait(&spec.name);
        if !wait.is_zero() {
            shared.metrics.controllers_throttled.increment();
            unless_stopped(stop, tokio::time::sleep(wait)).await?;
        }
        let _permit = unless_stopped(stop, shared.permits.acquire()).await?.ok()?;
        self.runs += 1;
        let request = subject.request(spec.dialect, is_dry, self.runs);
        let Ok(request) = JsonText::parse(request) else { return Some(Next::Never) };
        let version = |object: &StoredObject| Left::Version(object.revision);
        shared.writes.begin(&spec.name, key, object.as_ref().map_or(Left::Gone, version), known.is_change);
        let told = Told {
            request,
            namespace: Arc::clone(&key.namespace),
            dry_run: is_dry,
            deadline: Instant::now() + spec.timeout + WAITS_FOR_ISOLATE,
        };
        // A run that has begun comes to its end: the next one of this controller must not go on beside it.
        let evaluated = shared.engine.reconcile(&self.revision, told).await;
        Some(self.heed(&subject, known, &evaluated))
    }

    /// What came of a run.
    fn heed(&mut self, subject: &Subject<'_>, known: &Known, evaluated: &Evaluated) -> Next {
        let verdict = &evaluated.verdict;
        self.own.record(PolicyKind::Controller, verdict.into(), evaluated.time);
        let has_conflict = self.shared.writes.end(&self.revision.spec.name).has_conflict;
        let outcome = Outcome::of(verdict, has_conflict);
        self.own.reconciled(outcome.counted());
        outcome.log(&self.revision.spec.name, subject.key, verdict);
        if outcome.is_told() && self.shared.leadership.is_leader() {
            self.shared.record(&self.revision, subject, verdict);
        }
        self.waits.next(&outcome, known.attempts, Instant::now())
    }

    /// Whether the controller wants to see the object, and if so, whether it may only try.
    async fn asks_about(&self, subject: &Subject<'_>) -> Option<bool> {
        let Revision { spec, matcher, oversight, .. } = &*self.revision;
        let asked = &spec.rules.operations;
        let is_asked = asked.is_empty()
            || asked.contains(&subject.operation())
            || subject.operation() == Operation::Create && asked.contains(&Operation::Update);
        if !is_asked || matcher.selects_namespaces() && !self.selects_namespace(subject).await {
            return None;
        }
        if oversight.overrides.is_empty() && !matcher.has_conditions() {
            return Some(spec.enforcement == Enforcement::Dry);
        }
        let review = match subject.review() {
            Ok(review) => review,
            Err(error) => {
                tracing::warn!(policy = &*spec.name, %error, "an object cannot be looked at");
                return None;
            }
        };
        match matcher.conditions_hold(&review, self.shared.engine.namespaces()) {
            Ok(true) => Some(self.shared.engine.enforcement(&self.revision, &review) == Enforcement::Dry),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(policy = &*spec.name, %error, "a match condition cannot be decided");
                None
            }
        }
    }

    /// As jsPolicy did: by the labels of the namespace that the object is in, and never where that is not there. Modules see
    /// a Namespace by its own, as webhooks do.
    async fn selects_namespace(&self, subject: &Subject<'_>) -> bool {
        let (key, matcher) = (subject.key, &self.revision.matcher);
        if key.namespace.is_empty() {
            let is_namespace = key.kind.api_version() == "v1" && key.kind.kind() == "Namespace";
            if !is_namespace || self.revision.spec.dialect == Dialect::Script {
                return true;
            }
            let last = || {
                let text = subject.last?;
                StoredObject::from_text(text, &key.kind).ok().map(|object| object.labels)
            };
            let labels = subject.object.map(|object| Arc::clone(&object.labels)).or_else(last);
            return matcher.selects_namespace(&key.name, labels.as_deref()).unwrap_or_default();
        }
        let namespaces = self.shared.engine.namespaces();
        if namespaces.labels(&key.namespace).is_none() {
            namespaces.learn(&key.namespace, Instant::now() + LOOK).await;
        }
        let labels = namespaces.labels(&key.namespace);
        matcher.selects_namespace(&key.namespace, labels.as_deref()).unwrap_or_default()
    }
}

/// `None` where it is told to stop before that.
async fn unless_stopped<F: Future>(stop: &mut watch::Receiver<bool>, work: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        () = stopped(stop) => None,
        done = work => Some(done),
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
