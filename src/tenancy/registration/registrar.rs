//! Who is looked at next, by the replica that leads: few at a time, so that a thousand virtual clusters are no load, and those
//! that fail in a lane of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};

use super::clients::Clients;
use super::look::{Memory, Seen, Site, look, take_away};
use super::status::{self, Condition, of_look, of_removal, of_rest, of_want};
use super::wanted::{Task, Wanted, Who};
use super::{AccessError, place};
use crate::matching::NamespaceLabels;
use crate::operator::Leadership;
use crate::policy::Catalog;
use crate::reports::Recorder;
use crate::tenancy::alarm::{Alarm, sound};
use crate::tenancy::{State, Tenancy, VirtualCluster};

/// Looks at a time at those that are well, and at those that are not.
const LANES: [usize; 2] = [16, 4];

/// Far above what a look takes: each of its steps has its own time.
const LOOK_WITHIN: Duration = Duration::from_mins(1);

/// Changes come in crowds.
const TOGETHER: Duration = Duration::from_millis(20);

/// The longest it sleeps.
const LOOK_UP: Duration = Duration::from_secs(30);

/// What it needs of the rest.
#[derive(Clone)]
pub struct Setup {
    pub host: Client,
    pub clients: Clients,
    pub tenancy: Arc<Tenancy>,
    pub namespaces: Arc<dyn NamespaceLabels>,
    pub catalogs: watch::Receiver<Arc<Catalog>>,
    /// In PEM; empty where everybody trusts the certificate, `None` until it is known.
    pub authority: watch::Receiver<Option<Arc<[u8]>>>,
    pub leadership: Leadership,
    pub recorder: Option<Recorder>,
    /// Where API servers of virtual clusters call Bylaw, without a path; none where nobody has said.
    pub url: Option<String>,
}

/// It ends with this. What is registered stays.
pub struct Registrar(AbortHandle);

impl Drop for Registrar {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Registrar {
    #[must_use]
    pub fn start(setup: Setup, runtime: &Handle) -> Self {
        Self(runtime.spawn(run(setup)).abort_handle())
    }
}

/// What came of one look.
struct Done {
    who: Who,
    task: Task,
    memory: Memory,
    is_good: bool,
    lane: usize,
}

async fn run(mut setup: Setup) {
    let mut leadership = setup.leadership.clone();
    let mut changes = setup.tenancy.changes();
    while leadership.wait_for(true).await.is_some() {
        let mut wanted = Wanted::default();
        let mut looks: JoinSet<Done> = JoinSet::new();
        let mut free = LANES;
        let mut known = Inputs::default();
        while setup.leadership.is_leader() {
            changes.borrow_and_update();
            let inputs = Inputs::of(&mut setup);
            wanted.update(&setup.tenancy.registry(), Instant::now());
            if inputs != known {
                wanted.wake(Instant::now());
                known = inputs;
            }
            for (lane, is_failing) in [(0, false), (1, true)] {
                while free.get(lane).is_some_and(|free| *free > 0)
                    && let Some((who, task, memory)) = wanted.take(is_failing, Instant::now())
                {
                    if let Some(free) = free.get_mut(lane) {
                        *free -= 1;
                    }
                    let (setup, known) = (setup.clone(), known.clone());
                    looks.spawn(async move { one(&setup, &known, who, task, memory, lane).await });
                }
            }
            let due = wanted.next().map_or(LOOK_UP, |due| due.saturating_duration_since(Instant::now()).min(LOOK_UP));
            // Those that are due and find no room are taken once there is some.
            let pause = if looks.is_empty() { due.max(TOGETHER) } else { due.max(Duration::from_millis(200)) };
            tokio::select! {
                Some(done) = looks.join_next(), if !looks.is_empty() => {
                    if let Ok(Done { who, task, memory, is_good, lane }) = done {
                        wanted.done(&who, task, memory, is_good, Instant::now());
                        if let Some(free) = free.get_mut(lane) {
                            *free += 1;
                        }
                    } else {
                        // A look that panicked takes what was remembered with it: all begin anew.
                        (wanted, free) = (Wanted::default(), LANES);
                        looks.shutdown().await;
                    }
                }
                Ok(()) = changes.changed() => tokio::time::sleep(TOGETHER).await,
                Ok(()) = setup.catalogs.changed() => tokio::time::sleep(TOGETHER).await,
                Ok(()) = setup.authority.changed() => {}
                _ = leadership.wait_for(false) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        wanted.clear();
        looks.shutdown().await;
    }
}

/// On which all registrations depend.
#[derive(Clone, Default)]
struct Inputs {
    catalog: Option<Arc<Catalog>>,
    /// In base64.
    authority: Option<Arc<str>>,
    key: Option<Arc<crate::tenancy::DoorKey>>,
}

impl PartialEq for Inputs {
    fn eq(&self, other: &Self) -> bool {
        let same_catalog = match (&self.catalog, &other.catalog) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_catalog && self.authority == other.authority && self.key == other.key
    }
}

impl Inputs {
    fn of(setup: &mut Setup) -> Self {
        let authority = setup.authority.borrow_and_update().as_ref().map(|pem| STANDARD.encode(pem).into());
        let catalog = Some(Arc::clone(&setup.catalogs.borrow_and_update()));
        Self { catalog, authority, key: setup.tenancy.key() }
    }
}

async fn one(setup: &Setup, inputs: &Inputs, who: Who, task: Task, mut memory: Memory, lane: usize) -> Done {
    let vcluster = Arc::clone(&memory.vcluster);
    let work = async {
        match task {
            Task::Look => looked(setup, inputs, &mut memory).await,
            Task::TakeAway => removed(setup, &mut memory).await,
        }
    };
    let guarded = setup.leadership.guard(tokio::time::timeout(LOOK_WITHIN, work)).await;
    // What was cut short is tried again.
    let conditions = guarded.ok().and_then(Result::ok);
    let is_good = conditions.as_ref().is_some_and(|conditions| conditions.iter().all(is_well));
    if let Some(conditions) = conditions {
        let write = status::write(&setup.host, &mut memory, conditions);
        if let Ok(Err(why)) = setup.leadership.guard(write).await {
            warn!(vcluster = place(&vcluster), why, "its status cannot be written");
        }
    }
    Done { who, task, memory, is_good, lane }
}

/// Whether there is no hurry to look again.
fn is_well(condition: &Condition) -> bool {
    condition.holds == Some(true) || [status::RESTING, "Removed"].contains(&condition.reason)
}

async fn looked(setup: &Setup, inputs: &Inputs, memory: &mut Memory) -> Vec<Condition> {
    let vcluster = Arc::clone(&memory.vcluster);
    if vcluster.state != State::Running {
        setup.clients.forget(&vcluster);
        return of_rest(vcluster.state.as_str());
    }
    let Some(url) = setup.url.as_deref() else {
        return of_want(
            "nobody has said where virtual clusters reach Bylaw: start it with --vcluster-url https://HOST:PORT",
        );
    };
    let (Some(catalog), Some(authority), Some(key)) = (&inputs.catalog, &inputs.authority, &inputs.key) else {
        return of_want("the certificate or the key of virtual clusters is not known yet");
    };
    let token = key.token(&vcluster);
    let door = format!("{}/vcluster/{}", url.trim_end_matches('/'), token.reveal());
    let tenant = setup.tenancy.tenant_of(&vcluster, "", true, &*setup.namespaces);
    let site = Site { clients: &setup.clients, catalog, door: &door, authority, tenant: &tenant };
    let was_up = memory.stage;
    let found = look(&site, memory).await;
    match &found {
        Ok(Seen { tampered, .. }) if !tampered.is_empty() => {
            let alarm = Alarm { vcluster: &vcluster, kinds: tampered };
            warn!(
                vcluster = place(&vcluster),
                kinds = tampered.join(", "),
                "its registration was tampered with; it is put right"
            );
            sound(&setup.host, setup.recorder.as_ref(), &alarm).await;
        }
        Ok(_) if was_up != memory.stage => info!(vcluster = place(&vcluster), stage = ?memory.stage, "registered"),
        Err(error) => tell(&vcluster, error, memory),
        Ok(_) => {}
    }
    memory.failures = if found.is_ok() { 0 } else { memory.failures.saturating_add(1) };
    of_look(&found)
}

/// Once an outage.
fn tell(vcluster: &VirtualCluster, error: &AccessError, memory: &Memory) {
    if memory.failures == 0 {
        warn!(vcluster = place(vcluster), %error, "it cannot be registered");
    }
}

async fn removed(setup: &Setup, memory: &mut Memory) -> Vec<Condition> {
    let vcluster = &memory.vcluster;
    if vcluster.state != State::Running {
        return of_rest(vcluster.state.as_str());
    }
    let found = take_away(&setup.clients, vcluster).await;
    setup.clients.forget(vcluster);
    if found.is_ok() {
        info!(vcluster = place(vcluster), "what was registered is taken away");
    }
    of_removal(&found)
}
