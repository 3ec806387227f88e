//! A certificate that someone else renews: served without a dropped connection, and never by half.

use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::client::{Http1, Target, run};
use super::folder::{Folder, policy};
use super::pair::Pair;
use super::reviews::{config_map, denied};
use super::server::Server;

/// A renewal reaches clients within this.
const RENEWED_WITHIN: Duration = Duration::from_secs(15);

struct Renewed {
    folder: Folder,
    server: Server,
}

impl Renewed {
    fn new(pair: &Pair) -> Self {
        let folder = Folder::new(&[
            ("good.ts", &policy("good", "validate({ deny }) { deny(\"no\"); }")),
            (".tls/tls.crt", &pair.certificate),
            (".tls/tls.key", &pair.key),
        ]);
        let tls = [".tls/tls.crt", ".tls/tls.key"].map(|name| folder.argument(name));
        let server = folder.serve(&["--tls-cert", &tls[0], "--tls-key", &tls[1]]);
        Self { folder, server }
    }

    /// What a new connection is shown, where only `pair` is trusted.
    async fn shows(&self, pair: &Pair) -> bool {
        Target::trusting(&self.server, pair.der.clone()).tls("http/1.1").await.is_ok()
    }

    async fn until_it_shows(&self, pair: &Pair) -> Duration {
        let begun = Instant::now();
        while !self.shows(pair).await {
            assert!(begun.elapsed() < RENEWED_WITHIN, "the new certificate is not served:\n{}", self.server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        begun.elapsed()
    }

    async fn connect(&self, certificate: &CertificateDer<'static>) -> Http1 {
        Http1::over(Target::trusting(&self.server, certificate.clone()).tls("http/1.1").await.unwrap()).await
    }
}

#[test]
fn a_new_pair_is_served_and_open_connections_live_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let renewed = Renewed::new(&old);
    run(async {
        let mut before = renewed.connect(&old.der).await;
        denied(before.post("/validate", &config_map(json!({}))).await);
        renewed.folder.write(".tls/tls.crt", &new.certificate);
        renewed.folder.write(".tls/tls.key", &new.key);
        println!("a new pair is served after {:?}", renewed.until_it_shows(&new).await);
        denied(before.post("/validate", &config_map(json!({}))).await);
        denied(renewed.connect(&new.der).await.post("/validate", &config_map(json!({}))).await);
        assert!(!renewed.shows(&old).await, "the old one is still shown");
    });
}

#[test]
fn a_pair_that_is_half_written_keeps_the_old_one_until_it_is_whole() {
    let (old, new) = (Pair::new(), Pair::new());
    let renewed = Renewed::new(&old);
    run(async {
        for (certificate, key) in [
            (new.certificate.as_str(), old.key.as_str()),
            (&new.certificate[..new.certificate.len() / 2], &old.key),
            ("", &old.key),
            (&old.certificate, ""),
            (&old.certificate, &new.key),
        ] {
            let mark = renewed.server.log_length();
            renewed.folder.write(".tls/tls.crt", certificate);
            renewed.folder.write(".tls/tls.key", key);
            renewed.server.wait_for_log(mark, "tls").unwrap();
            assert!(renewed.shows(&old).await, "{}", renewed.server.log());
        }
        renewed.folder.write(".tls/tls.crt", &new.certificate);
        renewed.folder.write(".tls/tls.key", &new.key);
        renewed.until_it_shows(&new).await;
    });
}

#[test]
fn a_pair_swapped_by_a_link_as_a_mounted_secret_is_served() {
    let (old, new) = (Pair::new(), Pair::new());
    let folder = Folder::new(&[
        ("good.ts", &policy("good", "validate({ deny }) { deny(\"no\"); }")),
        (".tls/..1/tls.crt", &old.certificate),
        (".tls/..1/tls.key", &old.key),
        (".tls/..2/tls.crt", &new.certificate),
        (".tls/..2/tls.key", &new.key),
    ]);
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.file(name)).unwrap();
    link("..1", ".tls/..data");
    link("..data/tls.crt", ".tls/tls.crt");
    link("..data/tls.key", ".tls/tls.key");
    let server =
        folder.serve(&["--tls-cert", &folder.argument(".tls/tls.crt"), "--tls-key", &folder.argument(".tls/tls.key")]);
    let renewed = Renewed { folder, server };
    run(async {
        assert!(renewed.shows(&old).await);
        std::os::unix::fs::symlink("..2", renewed.folder.file(".tls/..new")).unwrap();
        std::fs::rename(renewed.folder.file(".tls/..new"), renewed.folder.file(".tls/..data")).unwrap();
        renewed.until_it_shows(&new).await;
    });
}
