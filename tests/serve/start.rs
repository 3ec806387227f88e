//! What keeps the server from starting ends with code 2 and one clear line; what does not, does not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::command::{Ended, bylaw, bylaw_with};
use super::folder::{Folder, policy};
use super::pair::Pair;
use super::reviews::{allowed, config_map, denied};
use super::server::Server;

/// The one line on standard error of a command that could not run.
#[track_caller]
fn refusal(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
    let line = ended.err.strip_suffix('\n').expect("a whole line");
    assert!(!line.contains('\n') && line.starts_with("error: "), "not one clear line: {:?}", ended.err);
    &line["error: ".len()..]
}

fn good() -> Folder {
    Folder::new(&[("good.ts", &policy("good", "validate({ deny }) { deny(\"no\"); }"))])
}

/// `bylaw serve` on free ports with its state in the folder.
fn serve(folder: &Folder, arguments: &[&str]) -> Ended {
    let ports = ["--listen", "--metrics-listen", "--health-listen"].map(|flag| [flag, "127.0.0.1:0"]);
    let policies = folder.argument("");
    let mut all = vec!["serve"];
    for [flag, address] in &ports {
        if !arguments.contains(flag) {
            all.extend([*flag, *address]);
        }
    }
    if !arguments.contains(&"--policies") {
        all.extend(["--policies", &policies]);
    }
    all.extend(arguments);
    bylaw_with(&all, &[("XDG_STATE_HOME", &folder.argument(".state"))], "")
}

#[test]
fn a_missing_folder() {
    let folder = Folder::new(&[]);
    let ended = serve(&folder, &["--policies", &folder.argument("nope")]);
    let expected = format!(
        "{}: no such file or folder; give a policy file, a folder of them, or a package folder",
        folder.argument("nope")
    );
    assert_eq!(refusal(&ended), expected);
}

#[test]
fn a_file_that_may_not_be_read() {
    let folder = good();
    fs::set_permissions(folder.file("good.ts"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(folder.file("good.ts")).is_ok() {
        eprintln!("skipped: this user may read every file");
        return;
    }
    let ended = serve(&folder, &[]);
    let line = refusal(&ended);
    assert!(
        line.starts_with(&folder.argument("good.ts")) && line.contains("cannot be read: Permission denied"),
        "{line}"
    );
}

#[test]
fn a_file_of_another_kind() {
    let folder = Folder::new(&[("notes.txt", "")]);
    let ended = serve(&folder, &["--policies", &folder.argument("notes.txt")]);
    assert_eq!(
        refusal(&ended),
        format!("{}: is none of .ts, .mts, .js, .mjs, .yaml, .yml, .json, .tgz", folder.argument("notes.txt"))
    );
}

#[test]
fn no_policies_at_all() {
    assert_eq!(
        refusal(&bylaw(&["serve"])),
        "no policies: give --policies with a file or a folder, or --kubeconfig or --in-cluster for those of a cluster"
    );
}

#[test]
fn a_port_in_use() {
    let folder = good();
    for flag in ["--listen", "--metrics-listen", "--health-listen"] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let ended = serve(&folder, &[flag, &address]);
        let expected =
            format!("cannot listen on {address}: another process holds the port; choose another address with {flag}");
        assert_eq!(refusal(&ended), expected);
    }
}

#[test]
fn a_key_that_does_not_fit_its_certificate() {
    let folder = good();
    folder.write("tls.crt", &Pair::new().certificate);
    folder.write("tls.key", &Pair::new().key);
    let (certificate, key) = (folder.argument("tls.crt"), folder.argument("tls.key"));
    let ended = serve(&folder, &["--tls-cert", &certificate, "--tls-key", &key]);
    assert_eq!(
        refusal(&ended),
        format!("the key does not belong to the certificate (certificate {certificate}, key {key})")
    );
}

#[test]
fn files_that_hold_no_certificate_or_no_key() {
    let folder = good();
    let pair = Pair::new();
    let (certificate, key) = (folder.argument("tls.crt"), folder.argument("tls.key"));
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    folder.write("tls.crt", "nothing");
    folder.write("tls.key", &pair.key);
    assert!(refusal(&serve(&folder, &tls)).starts_with("the certificate file holds no PEM certificate"));
    folder.write("tls.crt", &pair.certificate);
    folder.write("tls.key", "nothing");
    assert!(refusal(&serve(&folder, &tls)).starts_with("the key file holds no PEM private key"));
    folder.remove("tls.key");
    let ended = serve(&folder, &tls);
    let line = refusal(&ended);
    assert!(line.contains(&key) && line.contains("No such file"), "{line}");
}

#[test]
fn half_a_pair() {
    let folder = good();
    let ended = serve(&folder, &["--tls-cert", "tls.crt"]);
    assert_eq!(refusal(&ended), "--tls-cert and --tls-key go together: --tls-key is missing");
}

#[test]
fn two_clusters() {
    let folder = good();
    let ended = serve(&folder, &["--kubeconfig", "a", "--in-cluster"]);
    assert_eq!(refusal(&ended), "--kubeconfig and --in-cluster exclude each other: give one");
}

#[test]
fn an_inventory_that_is_not_there_or_is_none() {
    let folder = good();
    let missing = folder.argument(".nope.yaml");
    let ended = serve(&folder, &["--inventory", &missing]);
    assert!(refusal(&ended).contains(&missing), "{ended:?}");
    folder.write(".broken.yaml", "a: [");
    let broken = folder.argument(".broken.yaml");
    let ended = serve(&folder, &["--inventory", &broken]);
    assert!(refusal(&ended).contains(&broken), "{ended:?}");
}

#[test]
fn a_configuration_file_that_is_not_there_or_has_an_unknown_field() {
    let folder = good();
    let ended = serve(&folder, &["--config", &folder.argument(".bylaw.yaml")]);
    assert!(refusal(&ended).contains(".bylaw.yaml: No such file"), "{ended:?}");
    folder.write(".bylaw.yaml", "listne: 127.0.0.1:1\n");
    let ended = serve(&folder, &["--config", &folder.argument(".bylaw.yaml")]);
    assert!(refusal(&ended).contains("listne"), "{ended:?}");
}

#[test]
fn settings_come_from_the_file_under_the_environment_under_the_flags() {
    let folder = good();
    let other = Folder::new(&[("other.ts", &policy("other", "validate({ deny }) { deny(\"other\"); }"))]);
    folder.write(".bylaw.yaml", &format!("policies: [\"{}\"]\nlogJson: true\n", folder.path().display()));
    let config = folder.argument(".bylaw.yaml");
    let message = |server: &Server| denied(server.post("/validate", &config_map(json!({}))))["message"].clone();

    let from_file = Server::start(&["--config", &config]);
    assert_eq!(message(&from_file), "[good.policies.example] no");
    assert!(
        from_file.log().lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{}",
        from_file.log()
    );

    let variable = [("BYLAW_POLICIES", other.path().to_str().unwrap())];
    assert_eq!(message(&Server::start_with(&["--config", &config], &variable)), "[other.policies.example] other");

    let flags = ["--config", &config, "--policies", folder.path().to_str().unwrap()];
    assert_eq!(message(&Server::start_with(&flags, &variable)), "[good.policies.example] no");
}

#[test]
fn an_empty_folder_serves_allows_and_says_so() {
    let folder = Folder::new(&[]);
    let server = folder.serve(&[]);
    allowed(server.post("/validate", &config_map(json!({}))));
    allowed(server.post("/mutate", &config_map(json!({}))));
    let log = server.log();
    assert_eq!(log.matches("every request is allowed").count(), 1, "{log}");
    let (status, page) = server.get(&format!("{}?verbose", server.health_url()));
    assert!(status == 200 && page.contains("every request is allowed"), "{page}");
    folder.write("first.ts", &policy("first", "validate({ deny }) { deny(\"now\"); }"));
    server.wait_for_log(0, "policies in force").unwrap();
    assert_eq!(denied(server.post("/validate", &config_map(json!({}))))["message"], "[first.policies.example] now");
}

#[test]
fn a_folder_of_nothing_but_broken_files_serves_and_says_so() {
    let folder = Folder::new(&[("broken.ts", "export default {")]);
    let server = folder.serve(&[]);
    allowed(server.post("/validate", &config_map(json!({}))));
    let (_, page) = server.get(&format!("{}?verbose", server.health_url()));
    assert!(page.contains("broken.ts:1:") && page.contains("every request is allowed"), "{page}");
}

#[test]
fn echo_serves_and_asks_nobody() {
    let folder = good();
    let server = folder.serve(&["--echo"]);
    allowed(server.post("/validate", &config_map(json!({}))));
}

#[test]
fn two_servers_share_an_authority_that_only_its_owner_can_read() {
    let folder = good();
    let state = folder.argument(".state");
    let (first, second) = (folder.serve(&["--state-dir", &state]), folder.serve(&["--state-dir", &state]));
    let read = |server: &Server| fs::read(server.authority().unwrap()).unwrap();
    assert_eq!(read(&first), read(&second));
    for entry in fs::read_dir(&state).unwrap() {
        let (name, mode) =
            entry.map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode())).unwrap();
        assert!(
            Path::new(&name).extension().is_none_or(|kind| kind != "key") || mode & 0o777 == 0o600,
            "{name:?} has mode {mode:o}"
        );
    }
    denied(second.post("/validate", &config_map(json!({}))));
}

/// Whoever started it may have gone away: a server does not need somebody who reads what it says.
#[test]
fn a_server_whose_output_nobody_reads_serves() {
    let folder = good();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let health = free();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
    command.args(["serve", "--policies", &folder.argument(""), "--health-listen", &health, "-v"]);
    command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    command.env("XDG_STATE_HOME", folder.argument(".state")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_ready(&health) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it does not serve");
        sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn is_ready(health: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(health) else { return false };
    let mut answer = String::new();
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer.contains(" 200 ")
}
