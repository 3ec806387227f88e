//! One attack: a file whose header says what must become of it.
//!
//! ```text
//! // What it tries.
//! // must: allow | deny TEXT | error TEXT | anything
//! // within: SECONDS          (6 where absent)
//! // dialect: script          (a module's handler where absent)
//! // costs a thread
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::review;
use super::server::Server;

pub struct Attack {
    pub name: String,
    source: String,
    must: Must,
    within: Duration,
    is_script: bool,
    /// It may hold its thread for good or for long, so that the server can bear only so many.
    pub costs_a_thread: bool,
}

enum Must {
    Allow,
    Deny(String),
    Error(String),
    Anything,
}

/// What came back, and when.
pub struct Outcome {
    status: u16,
    answer: Value,
    took: Duration,
}

impl Attack {
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus");
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(file).unwrap();
        let header = |key: &str| {
            let lines = source.lines().take_while(|line| line.starts_with("//"));
            lines.filter_map(|line| line.strip_prefix("// ")?.strip_prefix(key)).map(str::trim).next()
        };
        let must = header("must:").unwrap_or_else(|| panic!("{name} does not say what must happen"));
        let must = match must.split_once(' ').unwrap_or((must, "")) {
            ("allow", "") => Must::Allow,
            ("deny", text) => Must::Deny(text.to_owned()),
            ("error", text) => Must::Error(text.to_owned()),
            ("anything", "") => Must::Anything,
            _ => panic!("{name}: {must:?} is no end"),
        };
        let within = Duration::from_secs_f64(header("within:").map_or(6.0, |text| text.parse().unwrap()));
        let is_script = header("dialect:") == Some("script");
        let costs_a_thread = header("costs a thread").is_some();
        Self { name, source, must, within, is_script, costs_a_thread }
    }

    /// Writes it as a policy that matches its own review alone.
    pub fn write(&self, folder: &Path) {
        let Self { name, source, .. } = self;
        if self.is_script {
            let code = source.lines().collect::<Vec<_>>().join("\n    ");
            let manifest = format!(
                "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}.example.com\nspec:\n  operations: [CREATE]\n  \
                 resources: [pods]\n  timeoutSeconds: 1\n  objectSelector:\n    matchLabels: {{ {name}: \"true\" }}\n  javascript: |\n    {code}\n"
            );
            fs::write(folder.join(format!("{name}.yaml")), manifest).unwrap();
        } else {
            // The file holds the handlers; the policy around them is the same for all.
            let module = format!(
                "{source}\nexport default {{ name: \"{name}.example.com\", match: {{ resources: [\"pods\"], objectSelector: {{ matchLabels: {{ \"{name}\": \"true\" }} }} }}, validate }};\n"
            );
            fs::write(folder.join(format!("{name}.js")), module).unwrap();
        }
    }

    /// Asks for its verdict.
    pub fn launch(&self, server: &Server) -> Outcome {
        let begun = Instant::now();
        let (status, answer) = server.post("/validate?timeout=10s", &review::of(&self.name));
        Outcome { status, answer, took: begun.elapsed() }
    }

    /// The end that the header tells, in time.
    pub fn check(&self, outcome: &Outcome) -> Result<(), String> {
        self.check_contained(outcome)?;
        let Outcome { answer, took, .. } = outcome;
        if *took > self.within {
            return Err(format!("took {took:?}"));
        }
        let response = &answer["response"];
        let told = response["status"]["message"].as_str().unwrap_or_default();
        // An error of the policy is a 500, a denial whatever the policy says.
        let is_error = response["status"]["code"] == 500;
        let is_right = match &self.must {
            Must::Allow => response["allowed"] == true,
            Must::Deny(text) => response["allowed"] == false && !is_error && told.contains(text.as_str()),
            Must::Error(text) => response["allowed"] == false && is_error && told.contains(text.as_str()),
            Must::Anything => true,
        };
        if is_right { Ok(()) } else { Err(format!("came to {response}")) }
    }

    /// A well-formed answer to the right question.
    pub fn check_contained(&self, outcome: &Outcome) -> Result<(), String> {
        let Outcome { status, answer, .. } = outcome;
        let is_answer = *status == 200
            && answer["response"]["uid"] == self.name.as_str()
            && answer["response"]["allowed"].is_boolean();
        if is_answer { Ok(()) } else { Err(format!("{status} {answer}")) }
    }
}
