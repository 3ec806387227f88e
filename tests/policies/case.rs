//! One case of a policy (contract §4): what is asked, and what is expected of the answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json_patch;

/// A field that is not here is one that `bylaw review` has no flag for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    pub name: String,
    object: Option<Value>,
    old_object: Option<Value>,
    operation: Option<String>,
    user: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    namespace: Option<Namespace>,
    parameters: Option<Value>,
    #[serde(default)]
    inventory: Vec<Value>,
    expect: Expectation,
}

/// The namespace of the object, for its labels.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Namespace {
    /// That of the object; here for the reader.
    #[serde(rename = "name")]
    _name: String,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    allowed: bool,
    /// A part of the message.
    message: Option<String>,
    fields: Option<Vec<String>>,
    code: Option<u16>,
    reason: Option<String>,
    /// Parts of the warnings, one for each.
    warnings: Option<Vec<String>>,
    audit: Option<BTreeMap<String, String>>,
    patch: Option<Value>,
    patched: Option<Value>,
    /// A part of the error of a policy, which `bylaw review` tells in the message or in a warning.
    error: Option<String>,
}

impl Case {
    pub fn read(file: &Path) -> Vec<Self> {
        let text = fs::read_to_string(file).unwrap();
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    pub fn passes_untouched(&self) -> bool {
        let changes =
            self.expect.patched.is_some() || self.expect.patch.as_ref().is_some_and(|patch| *patch != json!([]));
        self.expect.allowed && self.expect.warnings.is_none() && !changes
    }

    /// What is not as it is expected to be.
    pub fn judge(&self, policy: &Path) -> Result<(), String> {
        let response = self.ask(policy)?;
        let Expectation { allowed, message, fields, code, reason, warnings, audit, patch, patched, error } =
            &self.expect;
        let status = &response["status"];
        same("allowed", &response["allowed"], &json!(allowed), &response)?;
        if let Some(part) = message {
            let told = status["message"].as_str().unwrap_or_default();
            if !told.contains(part.as_str()) {
                return Err(format!("the message is {told:?}, without {part:?}"));
            }
        }
        if let Some(fields) = fields {
            let told: Vec<&Value> =
                status["details"]["causes"].as_array().into_iter().flatten().map(|cause| &cause["field"]).collect();
            same("fields", &json!(told), &json!(fields), status)?;
        }
        if let Some(code) = code {
            same("code", &status["code"], &json!(code), status)?;
        }
        if let Some(reason) = reason {
            same("reason", &status["reason"], &json!(reason), status)?;
        }
        if let Some(part) = error.as_deref().filter(|part| !part.is_empty()) {
            let told = response.to_string();
            if !told.contains(part) {
                return Err(format!("no error {part:?} in {told}"));
            }
        }
        if let Some(parts) = warnings {
            let told: Vec<&str> =
                response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if told.len() != parts.len() || told.iter().zip(parts).any(|(told, part)| !told.contains(part.as_str())) {
                return Err(format!("the warnings are {told:?}, not {parts:?}"));
            }
        }
        for (key, value) in audit.iter().flatten() {
            let told = response["auditAnnotations"].as_object().into_iter().flatten();
            if !told.clone().any(|(name, told)| name == key || name.ends_with(&format!(".{key}")) && told == value) {
                return Err(format!("{key} is not noted as {value:?} in {told:?}"));
            }
        }
        let operations: Vec<Value> = match response["patch"].as_str() {
            Some(text) => serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap(),
            None => Vec::new(),
        };
        if let Some(patch) = patch {
            same("patch", &json!(operations), patch, &response)?;
        }
        if let Some(patched) = patched {
            let mut object = self.object.clone().unwrap_or_default();
            json_patch::apply(&operations, &mut object)?;
            same("object", &object, patched, &json!(operations))?;
        }
        Ok(())
    }

    fn ask(&self, policy: &Path) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("review").arg("--policies").arg(policy).args(["--output", "json"]);
        for (flag, content) in [
            ("--object", &self.object),
            ("--old-object", &self.old_object),
            ("--parameters", &self.parameters),
            (
                "--inventory",
                &(!self.inventory.is_empty())
                    .then(|| json!({"apiVersion": "v1", "kind": "List", "items": self.inventory})),
            ),
        ] {
            if let Some(content) = content {
                let file = folder.path().join(flag.trim_start_matches('-'));
                let file = file.with_extension("json");
                fs::write(&file, content.to_string()).unwrap();
                command.arg(flag).arg(file);
            }
        }
        for (flag, value) in [("--operation", &self.operation), ("--user", &self.user)] {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        command.args(self.groups.iter().flat_map(|group| ["--group", group]));
        for (key, value) in self.namespace.iter().flat_map(|namespace| &namespace.labels) {
            command.arg("--namespace-labels").arg(format!("{key}={value}"));
        }
        let output = command.output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("no answer: {}", String::from_utf8_lossy(&output.stderr)))?;
        let exit = i32::from(answer["response"]["allowed"] != true);
        same("exit code", &json!(output.status.code()), &json!(exit), &answer)?;
        Ok(answer["response"].clone())
    }
}

fn same(what: &str, told: &Value, expected: &Value, context: &Value) -> Result<(), String> {
    if told == expected { Ok(()) } else { Err(format!("{what}: {told}, not {expected}, in {context}")) }
}
