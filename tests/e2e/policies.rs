//! Policies as files of a folder.

/// A file of a policy folder.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    pub name: String,
    pub text: String,
}

impl PolicyFile {
    /// With a further import from the SDK.
    pub fn importing(mut self, name: &str) -> Self {
        self.text = self.text.replacen("{ policy }", &format!("{{ policy, {name} }}"), 1);
        self
    }
}

/// A module with one policy, named `NAME.e2e.example.com`. `definition` is the rest of what `policy({…})` is given.
pub fn policy(name: &str, definition: &str) -> PolicyFile {
    let text = format!(
        r#"import {{ policy }} from "@bylaw/sdk";
export default policy({{
  name: "{name}.e2e.example.com",
  {}
}});
"#,
        definition.trim()
    );
    PolicyFile { name: format!("{name}.ts"), text }
}

/// A `JsPolicy` object, named `NAME.e2e.example.com`, with these further fields of its spec.
pub fn js_policy(name: &str, spec: &str, javascript: &str) -> PolicyFile {
    let indented = |text: &str, by: &str| {
        let lines = text.trim().lines().map(|line| format!("{by}{}", line.trim()));
        lines.collect::<Vec<_>>().join("\n")
    };
    let text = format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}.e2e.example.com\nspec:\n{}\n  javascript: |\n{}\n",
        indented(spec, "  "),
        indented(javascript, "    "),
    );
    PolicyFile { name: format!("{name}.yaml"), text }
}

/// Refuses one `ConfigMap`, and only where it was mutated before: its refusal proves that both webhooks are called.
pub fn canary() -> PolicyFile {
    policy(
        "canary",
        r#"
        match: {
          resources: ["configmaps"], operations: ["CREATE"],
          matchConditions: [{ name: "canary", expression: "has(object.metadata.name) && object.metadata.name == 'canary'" }],
        },
        mutate({ object }) { object.data = { mutated: "yes" }; },
        validate({ object, deny }) { if (object.data?.mutated) deny("both webhooks are called"); },
        "#,
    )
}
