//! Who judges: the upstream program, fed line by line, and the real binary with a policy that calls `podSecurity`.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Beyond the newest version that either knows; as in `policy.ts`.
const NEWEST: &str = "40";

const PROGRAM: &str = "BYLAW_TEST_POD_SECURITY";

pub struct Upstream {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Upstream {
    /// `None`, said aloud, where the program is not built; on CI that is a failure.
    pub fn start() -> Option<Self> {
        let Some(program) = env::var_os(PROGRAM) else {
            let missing = format!("{PROGRAM} is not set: run `cargo xtask pod-security`, which builds the program");
            assert!(env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: {missing}");
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            // Not eprintln!, which is shown for failed tests only.
            drop(writeln!(std::io::stderr(), "skipped {test}: {missing}"));
            return None;
        };
        let mut child = Command::new(program).arg(NEWEST).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, input, output })
    }

    /// `baseline/v1.0:… …` for each pod. What it answers is read while it is still being asked, or neither would go on.
    pub fn judge(&mut self, pods: &[String]) -> Vec<String> {
        let Self { input, output, .. } = self;
        let input = input.as_mut().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A program that ends early says why by itself, and its answers end too.
                drop(input.write_all((pods.join("\n") + "\n").as_bytes()));
                drop(input.flush());
            });
            output.lines().take(pods.len()).map(|line| line.unwrap().trim_end().to_owned()).collect()
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

pub struct Ours {
    folder: tempfile::TempDir,
    policy: PathBuf,
}

impl Ours {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy.ts");
        fs::write(&policy, include_str!("policy.ts")).unwrap();
        Self { folder, policy }
    }

    pub fn judge(&self, pods: &[String]) -> Vec<String> {
        let list = self.folder.path().join("pods.json");
        fs::write(&list, format!(r#"{{"kind":"PodList","items":[{}]}}"#, pods.join(","))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("review").arg("-p").arg(&self.policy).arg("--object").arg(&list).args(["-o", "json"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code < 2), "{said}");
        serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter::<Value>()
            .map(|one| told(&one.unwrap()))
            .collect()
    }
}

/// The fields and messages of the denial, in the form of the upstream program.
fn told(review: &Value) -> String {
    let status = &review["response"]["status"];
    let causes = status["details"]["causes"].as_array().unwrap_or_else(|| panic!("{review}"));
    let part = |cause: &Value| format!("{}{}", text(&cause["field"]), text(&cause["message"]));
    causes.iter().map(part).collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
