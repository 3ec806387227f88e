//! All replicas serve one certificate, and no request is lost to what becomes of it.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::api::eventually;
use super::load::Creates;
use super::operator::js_policy;
use super::replicas::{Replicas, SECRET, blocks};
use super::server::Server;
use super::world::World;

/// Rotations of everything within a test: a leaf each 10 s, an authority each 20 s.
const FAST: [&str; 8] =
    ["--certificate-life", "15s", "--authority-life", "30s", "--propagation", "1s", "--lease-duration", "3s"];

/// New connections that trust nothing but a bundle.
struct Prober(Runtime);

impl Prober {
    fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
    }

    /// Why a server at `url` is not trusted.
    fn distrust(&self, url: &str, bundle: &str) -> Option<String> {
        let trusted = blocks(bundle).into_iter().map(|pem| Certificate::from_pem(pem.as_bytes()).expect("PEM"));
        let client = Client::builder().no_proxy().tls_certs_only(trusted).timeout(Duration::from_secs(10)).build();
        let get = async { client.expect("a client").get(url).send().await };
        self.0.block_on(get).err().map(|error| format!("{error:?}"))
    }

    fn is_trusted(&self, url: &str, bundle: &str) -> bool {
        self.distrust(url, bundle).is_none()
    }
}

/// An authority of somebody else, and a leaf of it for loopback, as the data of a Secret.
fn foreign_secret(namespace: &str, name: &str) -> (String, Value) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("an authority");
    let bundle = authority.pem();
    let issuer = Issuer::from_ca_cert_pem(&bundle, key).expect("an issuer");
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("parameters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, &issuer).expect("a leaf");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"ca.crt": bundle, "tls.crt": leaf.pem(), "tls.key": key.serialize_pem()},
    });
    (bundle, secret)
}

/// What jsPolicy leaves: a leaf that is its own authority, and no key that signs.
fn jspolicy_secret(namespace: &str) -> (String, Value) {
    let key = KeyPair::generate().expect("a key");
    let mut params =
        CertificateParams::new(["127.0.0.1".to_owned(), "jspolicy.jspolicy.svc".to_owned()]).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET, "namespace": namespace},
        "stringData": {"ca.crt": certificate, "tls.crt": certificate, "tls.key": key.serialize_pem()},
    });
    (certificate, secret)
}

#[test]
fn replicas_that_start_at_once_share_one_authority() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &[]);
    replicas.start(&["a", "b", "c"]);
    let bundle = replicas.secret("ca.crt");
    assert_eq!(blocks(&bundle).len(), 1);
    let prober = Prober::new();
    for name in ["a", "b", "c"] {
        assert_eq!(replicas.bundle_of(name), bundle);
        assert_eq!(prober.distrust(&replicas.address_of(name), &bundle), None, "{name}");
    }
    // Any of them, or the one that led by then.
    let made =
        |line: &&str| line.contains("made the shared authority") || line.contains("wrote the shared certificate");
    let logs: String = replicas.running.values().map(Server::log).collect();
    assert_eq!(logs.lines().filter(made).count(), 1, "{logs}");
    replicas.await_webhook();
}

#[test]
fn no_create_fails_while_authority_and_leaf_are_rotated_again_and_again() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &FAST);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    let (prober, mut authorities, mut leaves, mut connections) = (Prober::new(), BTreeSet::new(), BTreeSet::new(), 0);
    let created = replicas.under_load(|replicas| {
        let deadline = Instant::now() + Duration::from_mins(4);
        // Three authorities have come, and the first has gone.
        while authorities.len() < 3 || blocks(&replicas.shown()).len() > 1 {
            assert!(Instant::now() < deadline, "{} authorities, {} leaves", authorities.len(), leaves.len());
            let shown = replicas.shown();
            for name in ["a", "b"] {
                assert_eq!(prober.distrust(&replicas.address_of(name), &shown), None, "{name} under {shown}");
                connections += 1;
            }
            authorities.extend(blocks(&replicas.secret("ca.crt")).into_iter().map(str::to_owned));
            leaves.insert(replicas.secret("tls.crt"));
            thread::sleep(Duration::from_millis(50));
        }
    });
    eprintln!(
        "{created} creates, {connections} new connections, {} authorities, {} leaves",
        authorities.len(),
        leaves.len()
    );
    assert!(leaves.len() >= 4);
}

#[test]
fn a_secret_that_is_deleted_or_filled_with_garbage_is_healed_and_no_create_fails() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--propagation", "1s", "--lease-duration", "3s"]);
    replicas.start(&["a", "b"]);
    let first = replicas.secret("ca.crt");
    replicas.await_webhook();
    let created = replicas.under_load(|replicas| {
        world.api.delete(&replicas.secret_path()).object();
        let deleted = Instant::now();
        let healed = eventually("it is back", || replicas.secret("ca.crt"), |bundle| blocks(bundle).len() == 2);
        eprintln!("back {:?} after it was deleted", deleted.elapsed());
        assert!(healed.contains(&first), "what clients trust is still trusted");
        // Whoever deletes it asks for new keys.
        let old_key = replicas.secret("ca.key");
        eventually("the new authority signs", || replicas.secret("next.key"), String::is_empty);
        assert_ne!(replicas.secret("ca.key"), old_key);

        for (part, value) in [("tls.key", "garbage"), ("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA"), ("tls.crt", "x")]
        {
            let (key, bundle) = (replicas.secret("tls.key"), replicas.secret("ca.crt"));
            let garbage = json!({"data": {part: STANDARD.encode(value)}});
            world.api.merge(&replicas.secret_path(), &garbage).object();
            let spoilt = Instant::now();
            let whole = || (replicas.secret("tls.key"), replicas.secret("ca.crt"));
            eventually("it is as it was", whole, |now| *now == (key.clone(), bundle.clone()));
            eprintln!("healed {:?} after {part} was spoilt", spoilt.elapsed());
        }
        let garbage = json!({"data": {"ca.key": STANDARD.encode("garbage")}});
        world.api.merge(&replicas.secret_path(), &garbage).object();
        eventually("there is a key that signs", || replicas.secret("ca.key"), |key| key.contains("PRIVATE KEY"));
        // Somebody puts another one there altogether, as from the backup of another cluster.
        let (bundle, mut other) = foreign_secret(&replicas.name, SECRET);
        other["metadata"]["resourceVersion"] = json!(null);
        world.api.put(&replicas.secret_path(), &other).object();
        let prober = Prober::new();
        let trusted = || ["a", "b"].iter().all(|name| prober.is_trusted(&replicas.address_of(name), &bundle));
        eventually("its leaf is served", trusted, |trusted| *trusted);
    });
    eprintln!("{created} creates");
}

#[test]
fn an_expired_certificate_is_healed_at_the_next_start() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--certificate-life", "4s", "--authority-life", "6s"]);
    replicas.start(&["a"]);
    let expired = replicas.secret("ca.crt");
    replicas.kill("a");
    thread::sleep(Duration::from_secs(7));

    replicas.set_arguments(&["--propagation", "1s", "--lease-duration", "3s"]);
    let started = Instant::now();
    replicas.start(&["a"]);
    let bundle = replicas.secret("ca.crt");
    assert_ne!(bundle, expired);
    assert_eq!(Prober::new().distrust(&replicas.address_of("a"), &bundle), None);
    replicas.await_webhook();
    eprintln!("judged again {:?} after the start", started.elapsed());
    let (_, tally) = replicas.target().under_load("expired certificate, once healed", Creates::Both, || {
        thread::sleep(Duration::from_secs(1));
    });
    tally.is_whole();
}

#[test]
fn a_replica_that_starts_without_an_api_server_serves_the_certificate_it_kept() {
    let Some(world) = World::start() else { return };
    let mut replicas = Replicas::of(&world, &[]);
    // It is ready without an API server where it knows policies of the cluster from before.
    let known = js_policy("known", &json!({"resources": ["secrets"], "javascript": "deny('known')"}));
    world.api.post("/apis/policy.jspolicy.com/v1beta1/jspolicies", &known).object();
    replicas.start(&["a"]);
    let status = || world.api.get("/apis/policy.jspolicy.com/v1beta1/jspolicies/known.e2e.example.com").body;
    eventually("it is enforced", status, |policy| policy["status"]["phase"] == "Synced");
    let bundle = replicas.secret("ca.crt");
    replicas.kill("a");
    let nowhere = replicas.state_of("a").join("kubeconfig");
    let text = fs::read_to_string(world.cluster.kubeconfig()).expect("it is there");
    fs::write(&nowhere, text.replace(world.cluster.url(), "https://127.0.0.1:1")).expect("the folder is ours");
    replicas.start_with(&["a"], &nowhere.display().to_string());
    assert_eq!(Prober::new().distrust(&replicas.address_of("a"), &bundle), None);
    assert_eq!(replicas.leader(), None, "nobody leads whom nobody elected");
}

#[test]
fn jspolicys_certificate_is_taken_over_and_no_create_fails() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--propagation", "1s", "--lease-duration", "3s"]);
    let (old, secret) = jspolicy_secret(&replicas.name);
    world.api.post(replicas.secret_path().trim_end_matches(&format!("/{SECRET}")), &secret).object();
    // jsPolicy's configuration, which trusts its certificate and nothing else.
    replicas.register_old(&old);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    let created = replicas.under_load(|replicas| {
        let ours = || replicas.secret("tls.crt");
        eventually("our own authority signs", ours, |leaf| *leaf != old);
        let prober = Prober::new();
        let only_new = blocks(&replicas.secret("ca.crt"))[0].to_owned();
        assert_ne!(only_new, old);
        let trusted = || ["a", "b"].iter().all(|name| prober.is_trusted(&replicas.address_of(name), &only_new));
        eventually("every replica serves it", trusted, |trusted| *trusted);
    });
    eprintln!("{created} creates");
}

#[test]
fn a_secret_of_somebody_else_is_only_read_and_its_rotation_loses_no_create() {
    let Some(world) = World::shared() else { return };
    let mut replicas =
        Replicas::of(world, &["--tls-secret", "theirs", "--propagation", "3s", "--lease-duration", "3s"]);
    let secrets = replicas.secret_path().trim_end_matches(SECRET).trim_end_matches('/').to_owned();
    let (_, secret) = foreign_secret(&replicas.name, "theirs");
    world.api.post(&secrets, &secret).object();
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    let created = replicas.under_load(|replicas| {
        // As cert-manager does it: authority, leaf and key at once.
        let (second, secret) = foreign_secret(&replicas.name, "theirs");
        world.api.put(&format!("{secrets}/theirs"), &secret).object();
        let prober = Prober::new();
        let trusted = || ["a", "b"].iter().all(|name| prober.is_trusted(&replicas.address_of(name), &second));
        eventually("its leaf is served", trusted, |trusted| *trusted);
    });
    let stored = world.api.get(&format!("{secrets}/theirs")).object();
    let managers = stored["metadata"]["managedFields"].as_array().expect("a list");
    assert!(managers.iter().all(|field| field["manager"] != "bylaw"), "{managers:?}");
    assert_eq!(world.api.get(&replicas.secret_path()).status, 404, "there is no other one");
    eprintln!("{created} creates");
}
