//! An attack in one of its forms: the dialect it is written in, and the failure mode of the policy that carries it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::attack::{Attack, End, Form, TIME};
use super::review;
use super::server::Server;

/// What the API server waits where errors deny, and where they allow: one long enough for every limit, the other shorter
/// than all of them.
const PATIENT: Duration = Duration::from_secs(10);
const HASTY: Duration = Duration::from_millis(400);

/// What the scripts of the corpus have, which is little, so that any of them may run out of it.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(1);

/// What is said of a policy that is not run for now.
const STOPPED: [&str; 2] = ["circuit", "too many"];

/// What the client's own side of an answer may take, on a machine that others use too.
const GRACE: Duration = Duration::from_secs(1);

/// One policy under test.
pub struct Case<'a> {
    pub attack: &'a Attack,
    pub name: String,
    pub end: &'a End,
    as_script: bool,
    /// Errors deny, or they allow.
    denies: bool,
}

/// What came back, and when.
pub struct Outcome {
    status: u16,
    answer: Value,
    pub took: Duration,
}

impl<'a> Case<'a> {
    /// Every form of the attack.
    pub fn of(attack: &'a Attack) -> Vec<Self> {
        let dialects = [(false, &attack.as_module), (true, &attack.as_script)];
        let mut cases = Vec::new();
        for (as_script, end) in dialects {
            let Some(end) = end else { continue };
            for denies in [true, false] {
                let name = &attack.name;
                let dialect = if as_script { ".script" } else { "" };
                let mode = if denies { "" } else { ".allow" };
                cases.push(Self { attack, name: format!("{name}{dialect}{mode}"), end, as_script, denies });
            }
        }
        cases
    }

    /// The file that it is written to.
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, if self.as_script { "yaml" } else { "js" })
    }

    /// Writes it as a policy that matches its own review alone.
    pub fn write(&self, folder: &Path) {
        let Self { name, attack, .. } = self;
        let Attack { source, handlers, settings, .. } = attack;
        let on_error = if self.denies { "Deny" } else { "Allow" };
        if self.as_script {
            let call = if attack.form == Form::Handlers { AS_SCRIPT } else { "" };
            let code = format!("{source}\n{call}").lines().collect::<Vec<_>>().join("\n    ");
            let kind = if attack.mutates() { "  type: Mutating\n" } else { "" };
            let manifest = format!(
                "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}.example.com\nspec:\n  operations: [CREATE]\n  \
                 resources: [pods]\n  timeoutSeconds: 1\n  onError: {on_error}\n{kind}  objectSelector:\n    matchLabels: {{ case: \"{name}\" }}\n  \
                 javascript: |\n    {code}\n"
            );
            fs::write(folder.join(self.file()), manifest).unwrap();
            return;
        }
        let settings = settings.as_ref().map(|settings| format!("{settings}, ")).unwrap_or_default();
        let policy = format!(
            "name: \"{name}.example.com\", onError: \"{on_error}\", {settings}match: {{ resources: [\"pods\"], objectSelector: {{ matchLabels: {{ case: \"{name}\" }} }} }}"
        );
        let module = match attack.form {
            Form::Module => source.replace("/* POLICY */", &policy),
            _ => format!("{source}\nexport default {{ {policy}, {handlers} }};\n"),
        };
        fs::write(folder.join(self.file()), module).unwrap();
    }

    /// Asks for its verdict.
    pub fn launch(&self, server: &Server) -> Outcome {
        let endpoint = if self.attack.mutates() { "mutate" } else { "validate" };
        let path = format!("/{endpoint}?timeout={}ms", self.timeout().as_millis());
        let review = review::of(&self.name, &self.attack.shape);
        let begun = Instant::now();
        let (status, answer) = server.post_text(&path, review);
        Outcome { status, answer, took: begun.elapsed() }
    }

    fn timeout(&self) -> Duration {
        if self.denies { PATIENT } else { HASTY }
    }

    /// The end that the header tells, in time.
    pub fn check(&self, outcome: &Outcome, hurry: Option<Duration>) -> Result<(), String> {
        let Outcome { status, answer, took } = outcome;
        let bound = if self.denies { self.attack.within.min(PATIENT) } else { HASTY + GRACE };
        if *took > bound {
            return Err(format!("took {took:?}, more than {bound:?}: {answer}"));
        }
        if *self.end == End::Refused {
            return if (400..500).contains(status) { Ok(()) } else { Err(format!("{status} {answer}")) };
        }
        let response = &answer["response"];
        if *status != 200 || response["uid"] != self.name.as_str() || !response["allowed"].is_boolean() {
            return Err(format!("no answer to the question: {status} {answer}"));
        }
        if self.is_right(response, *took, hurry) { Ok(()) } else { Err(format!("came to {response} after {took:?}")) }
    }

    /// The same, where the policy may have been stopped for what it did before: its failure mode decides at once.
    pub fn check_again(&self, outcome: &Outcome) -> Result<(), String> {
        let response = &outcome.answer["response"];
        let is_stopped = self.failure(response).is_some_and(|text| STOPPED.iter().any(|word| text.contains(word)));
        if is_stopped && (response["allowed"] == true) != self.denies { Ok(()) } else { self.check(outcome, None) }
    }

    fn is_right(&self, response: &Value, took: Duration, hurry: Option<Duration>) -> bool {
        let allowed = response["allowed"] == true;
        let failure = self.failure(response);
        // Who gave no verdict in the time that the request had is judged by the failure mode, whatever it would have said.
        let was_late = failure.is_some_and(|text| TIME.iter().any(|late| text.contains(late)));
        let time = if self.denies { SCRIPT_TIMEOUT } else { HASTY };
        // Some compute for longer than the operator of a hurried server lets anybody.
        let was_cut = was_late && hurry.is_some_and(|limit| took >= limit);
        if was_cut || ((self.as_script || !self.denies) && was_late && took >= time / 2) {
            return allowed != self.denies;
        }
        match (self.end, failure) {
            (End::Anything, _) => true,
            (End::Allow, None) => allowed,
            (End::Deny(text), None) => !allowed && message(response).contains(text.as_str()),
            (End::Error(texts), Some(failure)) => {
                allowed != self.denies && texts.iter().any(|text| failure.contains(text.as_str()))
            }
            _ => false,
        }
    }

    /// What the policy failed with, where it gave no verdict.
    fn failure<'r>(&self, response: &'r Value) -> Option<&'r str> {
        if self.denies {
            // An error of the policy is a 500, a denial whatever the policy says.
            return (response["status"]["code"] == 500).then(|| message(response));
        }
        let notes = response["auditAnnotations"].as_object()?;
        notes.iter().find(|(key, _)| key.rsplit_once('.').is_some_and(|(_, last)| last == "error"))?.1.as_str()
    }
}

fn message(response: &Value) -> &str {
    response["status"]["message"].as_str().unwrap_or_default()
}

/// How a script calls the handler of a module.
const AS_SCRIPT: &str = r"
var context = { object: request.object, request, operation: request.operation, dryRun: request.dryRun, deny: (message) => deny(message), warn, audit() {}, get, list, create, log: print };
typeof validate === 'function' ? validate(context) : (mutate(context), globalThis.mutate(request.object));
";
