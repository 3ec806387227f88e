//! What every replica does: watch the Secret, serve what it says, and say what is to be trusted.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use super::material::{Data, Material};
use super::{Seen, Shared, clock, keep, plan};
use crate::cluster::Outage;
use crate::http::Gate;
use crate::operator::fault::reason;
use crate::telemetry::Certificate;

/// How often time is let pass: expiry and waiting have no events.
const TICK: Duration = Duration::from_millis(500);

/// How long a start waits for the Secret before it serves what was kept.
const PATIENCE: Duration = Duration::from_secs(3);

/// One run of the watch.
struct Follower {
    shared: Arc<Shared>,
    began: Instant,
    /// Whether the state folder was looked at.
    has_looked: bool,
    /// Before that instant the API server is left alone.
    resume: Instant,
    watching: Outage,
    /// When to try again to make the first Secret.
    make_at: Instant,
    making: Outage,
    faults: Vec<String>,
}

pub(super) async fn follow(shared: Arc<Shared>) {
    let now = Instant::now();
    let mut events = std::pin::pin!(watcher::watch_object(shared.secrets.clone(), &shared.config.secret));
    let mut follower = Follower {
        shared,
        began: now,
        has_looked: false,
        resume: now,
        watching: Outage::default(),
        make_at: now,
        making: Outage::default(),
        faults: Vec::new(),
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let resume = follower.resume;
        let next = async {
            tokio::time::sleep_until(resume).await;
            events.next().await
        };
        tokio::select! {
            event = next => match event {
                Some(Ok(secret)) => follower.see(secret).await,
                Some(Err(error)) => follower.failed(&error),
                None => return,
            },
            _ = ticks.tick() => {}
        }
        follower.advance().await;
    }
}

impl Follower {
    async fn see(&mut self, secret: Option<Secret>) {
        self.watching.recovered();
        let Some(secret) = secret else {
            if !matches!(&*self.shared.seen.borrow(), Seen::Absent) {
                info!(secret = %self.shared.place(), "there is no Secret with the shared certificate");
            }
            // Before another one is made: clients may still trust what was kept.
            self.look_at_the_disk().await;
            self.faults = vec![format!("the Secret {} is missing", self.shared.place())];
            self.shared.seen.send_replace(Seen::Absent);
            return;
        };
        let material = Arc::new(Material::read(secret.data.as_ref().unwrap_or(&Data::new())));
        if material.faults != self.faults {
            self.faults.clone_from(&material.faults);
            if !self.faults.is_empty() {
                warn!(secret = %self.shared.place(), faults = ?self.faults, "the shared certificate has faults");
            }
        }
        if self.shared.can_serve(&material) {
            self.shared.succession().offer(Arc::clone(&material), Instant::now(), clock());
        }
        self.shared.seen.send_replace(Seen::There { secret: Box::new(secret), material });
    }

    fn failed(&mut self, error: &watcher::Error) {
        self.resume = Instant::now() + self.watching.watch_failed(error, std::time::Instant::now());
        let why = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => reason(error),
            other => other.to_string(),
        };
        if self.watching.is_new() {
            warn!(secret = %self.shared.place(), why, "the shared certificate cannot be watched: what is known is served on");
        }
    }

    /// Lets time pass, then serves and says what there is.
    async fn advance(&mut self) {
        let is_waiting = matches!(&*self.shared.seen.borrow(), Seen::NotYet);
        if is_waiting && self.began.elapsed() >= PATIENCE {
            self.look_at_the_disk().await;
        }
        self.shared.succession().advance(Instant::now(), clock());
        self.make_the_first().await;
        self.serve().await;
        self.tell();
    }

    async fn look_at_the_disk(&mut self) {
        if std::mem::replace(&mut self.has_looked, true) || self.shared.last_good().is_some() {
            return;
        }
        let disk = self.shared.disk.clone();
        let kept = tokio::task::spawn_blocking(move || disk.read()).await.ok().flatten();
        if let Some(material) = kept.filter(|kept| kept.is_good(clock())) {
            info!("serving the certificate that was kept in the state folder until the Secret can be read");
            self.shared.succession().keep(Arc::new(material));
        }
    }

    /// Where there is no Secret and never was one, whoever comes first makes it: only one creation succeeds.
    async fn make_the_first(&mut self) {
        let is_absent = matches!(&*self.shared.seen.borrow(), Seen::Absent);
        if !is_absent
            || self.shared.config.is_foreign
            || self.shared.last_good().is_some()
            || Instant::now() < self.make_at
        {
            return;
        }
        let made = match plan::first(&self.shared.terms, clock()) {
            Ok(material) => keep::create(&self.shared, &material).await,
            Err(error) => Err(error.to_string()),
        };
        match made {
            Ok(is_ours) => {
                self.making.recovered();
                // The watch brings whatever is there now.
                self.make_at = Instant::now() + PATIENCE;
                if is_ours {
                    info!(secret = %self.shared.place(), "made the shared authority and its first certificate");
                }
            }
            Err(why) => {
                self.make_at = Instant::now() + self.making.failed(std::time::Instant::now());
                if self.making.is_new() {
                    warn!(secret = %self.shared.place(), why, "the shared certificate could not be made");
                }
                self.faults = vec![format!("the Secret {} could not be made: {why}", self.shared.place())];
            }
        }
    }

    async fn serve(&mut self) {
        let (leaf, bundle, kept) = {
            let succession = self.shared.succession();
            (succession.leaf().cloned(), succession.bundle_pem(), succession.to_keep())
        };
        let Some(leaf) = leaf else { return };
        let is_new_leaf = self.shared.serving.swap_new(&leaf.pair);
        let bundle = bundle.map(|pem| Arc::from(pem.into_bytes()));
        let is_new_bundle = *self.shared.bundle.borrow() != bundle;
        if is_new_leaf {
            info!(not_after = leaf.pair.not_after, "serving a new shared certificate");
        }
        // The server looks once a second, which is long for a start.
        if is_new_leaf && leaf.is_valid(clock()) {
            self.shared.checks.set("certificate", Gate::Ready, Ok(()));
        }
        if let Some(kept) = kept.filter(|_| is_new_leaf || is_new_bundle) {
            let disk = self.shared.disk.clone();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || disk.write(&kept)).await {
                warn!(%error, "the shared certificate is in use, but could not be kept");
            }
        }
        // Whoever is told may look for the file.
        if is_new_bundle {
            self.shared.bundle.send_replace(bundle);
        }
    }

    fn tell(&self) {
        let succession = self.shared.succession();
        if let Some(signer) = succession.signer() {
            self.shared.metrics.set_expiry(Certificate::Authority, signer.not_after);
        }
        let mut details = self.faults.clone();
        if let Seen::There { material, .. } = &*self.shared.seen.borrow()
            && material.next.is_some()
        {
            details.push("a new authority signs when the webhook configurations show it".to_owned());
        }
        if succession.is_waiting() {
            details.push("a new certificate is served when clients have been told of its authority".to_owned());
        }
        drop(succession);
        self.shared.checks.set_details("certificate", details);
    }
}
