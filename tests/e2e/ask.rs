//! A policy that does what a test asks of it: the test puts a host function and its arguments into a `ConfigMap`, and the
//! refusal says what came of it.

use serde_json::{Value, json};

use super::bylaw::{Bylaw, with_arguments};
use super::objects::config_map;
use super::policies::{PolicyFile, js_policy, policy};

/// As much of an answer as tests look at. A list comes as the names in it, in their order.
const BRIEF: &str = r"
const brief = (value) => {
  if (Array.isArray(value)) return value.map((object) => object.metadata.name).sort();
  if (value?.metadata === undefined) return value;
  return { kind: value.kind, name: value.metadata.name, data: value.data, labels: value.metadata.labels, managedFields: value.metadata.managedFields };
};
";

/// A jsPolicy script with the functions that scripts have.
pub fn asking_script() -> PolicyFile {
    let run = r"
    const [name, ...values] = JSON.parse(request.object.data.ask);
    let answer;
    try {
      const result = globalThis[name](...values);
      answer = result?.ok === undefined ? brief(result) : { ...result, object: brief(result.object) };
    } catch (error) {
      answer = { thrown: error.reason, message: error.message };
    }
    deny(JSON.stringify({ answer }));
    ";
    let matching = "operations: [CREATE]\nresources: [configmaps]\nobjectSelector: {matchLabels: {ask: \"yes\"}}";
    js_policy("ask", matching, &format!("{BRIEF}{run}"))
}

/// A module with the functions that modules have, and these permissions.
pub fn asking_module(permissions: &str) -> PolicyFile {
    let module = policy(
        "ask",
        &format!(
            r#"
            match: {{ resources: ["configmaps"], operations: ["CREATE"], objectSelector: {{ matchLabels: {{ ask: "yes" }} }} }},
            permissions: {{ {permissions} }},
            async validate({{ object, deny, ...host }}) {{
              const [name, ...values] = JSON.parse(object.data.ask);
              try {{
                deny(JSON.stringify({{ answer: brief(await host[name](...values)) }}));
              }} catch (error) {{
                deny(JSON.stringify({{ answer: {{ thrown: error.reason, message: error.message }} }}));
              }}
            }},
            "#
        ),
    );
    PolicyFile { text: format!("{}{BRIEF}", module.text), ..module }
}

/// Runs a test with the asking script and the rights that jsPolicy gave.
pub fn with_asking_script(test: impl FnOnce(&mut Bylaw)) {
    with_arguments(&["--compat", "jspolicy"], [asking_script()], test);
}

impl Bylaw<'_> {
    /// What the asking policy got from `[function, …arguments]`; null stands for undefined.
    pub fn ask(&self, call: &Value) -> Value {
        self.ask_at("configmaps", call)
    }

    /// The same within a request with `--dry-run=server`.
    pub fn ask_on_dry_run(&self, call: &Value) -> Value {
        self.ask_at("configmaps?dryRun=All", call)
    }

    fn ask_at(&self, path: &str, call: &Value) -> Value {
        let mut question = config_map("question", json!({"ask": call.to_string()}));
        question["metadata"]["labels"] = json!({"ask": "yes"});
        let refusal = self.create(path, &question).refusal();
        let at = refusal.find("{\"answer\"").or_else(|| refusal.ends_with("{}").then(|| refusal.len() - "{}".len()));
        let answer = at.and_then(|at| serde_json::from_str::<Value>(&refusal[at..]).ok());
        answer.unwrap_or_else(|| panic!("no answer to {call}: {refusal}"))["answer"].take()
    }
}
