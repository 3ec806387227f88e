//! `JsPolicyBundle` objects that are not what they say.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::folder::{Folder, policy};
use super::reviews::{allowed, config_map, denied, refused};
use super::server::Server;

const NAME: &str = "packed.policies.example";

/// A policy without code of its own, and its bundle.
fn manifest(bundle: &str) -> String {
    format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {{name: {NAME}}}\n\
         spec: {{operations: [CREATE], resources: [configmaps]}}\n---\n\
         apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicyBundle\nmetadata: {{name: {NAME}}}\n\
         spec: {{bundle: \"{bundle}\"}}\n"
    )
}

fn packed(write: impl FnOnce(&mut GzEncoder<Vec<u8>>)) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    write(&mut encoder);
    STANDARD.encode(encoder.finish().unwrap())
}

fn script(text: &str) -> String {
    packed(|encoder| encoder.write_all(text.as_bytes()).unwrap())
}

fn serve(bundle: &str) -> (Folder, Server) {
    let good = policy("good", "validate({ deny }) { deny(\"good\"); }");
    let folder = Folder::new(&[("good.ts", &good), ("packed.yaml", &manifest(bundle))]);
    let server = folder.serve(&[]);
    (folder, server)
}

/// The line of `/readyz?verbose` about the bundle; the good policy must serve and the bundled one must not.
#[track_caller]
fn fault(bundle: &str) -> String {
    let (_folder, server) = serve(bundle);
    assert_eq!(denied(server.post("/validate", &config_map(json!({}))))["message"], "[good.policies.example] good");
    refused(server.post(&format!("/policy/{NAME}"), &config_map(json!({}))), 404);
    let (_, page) = server.get(&format!("{}?verbose", server.health_url()));
    let line =
        page.lines().find(|line| line.contains(NAME)).unwrap_or_else(|| panic!("nothing about {NAME} in {page}"));
    assert!(server.log().contains(line.trim()), "{}", server.log());
    line.trim().to_owned()
}

#[test]
fn a_bundle_is_unpacked_and_run() {
    let (_folder, server) = serve(&script("if (request.object.data.a === 'bad') deny('packed');"));
    let status = denied(server.post(&format!("/policy/{NAME}"), &config_map(json!({"a": "bad"}))));
    assert_eq!(status["message"], "packed");
    allowed(server.post(&format!("/policy/{NAME}"), &config_map(json!({"a": "fine"}))));
}

#[test]
fn a_bundle_that_is_no_gzip_stream_says_what_it_is_and_how_to_make_one() {
    let line = fault(&STANDARD.encode("deny('not packed')"));
    assert!(line.contains("not of a gzip stream (it starts with 64 65 6e 79)") && line.contains("gzip -c"), "{line}");
    let line = fault("%%%");
    assert!(line.contains("is not base64"), "{line}");
}

#[test]
fn a_damaged_bundle_is_told_from_a_wrong_one() {
    let whole = STANDARD.decode(script("deny('this one is cut short in the middle of its stream')")).unwrap();
    let line = fault(&STANDARD.encode(&whole[..whole.len() - 12]));
    assert!(line.contains("damaged gzip stream"), "{line}");
}

#[test]
fn a_bundle_that_unpacks_to_a_gibibyte_is_refused_quickly_and_in_little_memory() {
    let bomb = packed(|encoder| {
        let block = vec![b' '; 1 << 20];
        for _ in 0..1024 {
            encoder.write_all(&block).unwrap();
        }
    });
    assert!(bomb.len() < 2 << 20, "a small file: {}", bomb.len());
    let (folder, server) = serve(&script("deny('packed')"));
    let before = resident(&server);
    let begun = Instant::now();
    folder.write("packed.yaml", &manifest(&bomb));
    server.wait_for_log(0, "unpacks to more than 8388608 bytes").unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 128 << 20, "it took {} MiB", grown >> 20);
    // The last good revision stays in force.
    assert_eq!(denied(server.post(&format!("/policy/{NAME}"), &config_map(json!({}))))["message"], "packed");
}

/// Bytes of memory that the server holds.
fn resident(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
