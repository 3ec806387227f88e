//! SARIF 2.1.0: findings as code scanners and editors read them. One run, one tool, any command's findings.

use std::path::{Component, Path};

use serde::Serialize;

/// How grave a finding is, in SARIF's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SarifLevel {
    Error,
    Warning,
    Note,
}

/// What a finding may be of. Every rule that a finding names should be among those given.
#[derive(Debug, Clone)]
pub(crate) struct SarifRule {
    pub id: String,
    /// One sentence.
    pub summary: String,
    /// Markdown, as long as it takes; empty for none.
    pub help: String,
    /// What it is unless someone says otherwise.
    pub level: SarifLevel,
}

/// One thing found.
#[derive(Debug, Clone)]
pub(crate) struct SarifFinding {
    pub rule: String,
    pub level: SarifLevel,
    pub message: String,
    /// As the user would type it; `None` where no file can be blamed, as for an object of a live cluster.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
    /// From 1, in UTF-16 units.
    pub column: Option<u32>,
    /// What to do about it.
    pub help: Option<String>,
    /// What it is about where that is no file: `namespace/kind/name`, or the name of a policy.
    pub subject: Option<String>,
}

/// The whole log. `tool` is the command, such as `bylaw lint`; `is_complete` is false where something could not be looked
/// at.
pub(crate) fn sarif(
    tool: &str,
    rules: &[SarifRule],
    findings: &[SarifFinding],
    is_complete: bool,
) -> impl Serialize + use<> {
    let index_of = |id: &str| rules.iter().position(|rule| rule.id == id);
    let results = findings.iter().map(|finding| result(finding, index_of(&finding.rule))).collect();
    let driver = Driver {
        name: tool.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        rules: rules.iter().map(descriptor).collect(),
    };
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver },
            column_kind: "utf16CodeUnits",
            invocations: [Invocation { execution_successful: is_complete }],
            results,
        }],
    }
}

fn descriptor(rule: &SarifRule) -> Descriptor {
    let help = (!rule.help.is_empty()).then(|| Help { text: rule.help.clone(), markdown: rule.help.clone() });
    Descriptor {
        id: rule.id.clone(),
        short_description: Text { text: rule.summary.clone() },
        help,
        default_configuration: Configuration { level: rule.level },
    }
}

fn result(finding: &SarifFinding, rule_index: Option<usize>) -> Outcome {
    let text = match &finding.help {
        Some(help) => format!("{}\nhelp: {help}", finding.message),
        None => finding.message.clone(),
    };
    let physical_location = finding.file.as_deref().map(|file| Physical {
        artifact_location: Artifact { uri: uri(file) },
        region: finding.line.map(|start_line| Region { start_line, start_column: finding.column }),
    });
    let logical_locations: Vec<Logical> =
        finding.subject.iter().map(|name| Logical { fully_qualified_name: name.clone() }).collect();
    let location = Location { physical_location, logical_locations };
    let has_place = location.physical_location.is_some() || !location.logical_locations.is_empty();
    Outcome {
        rule_id: finding.rule.clone(),
        rule_index,
        level: finding.level,
        message: Text { text },
        locations: has_place.then_some(location).into_iter().collect(),
    }
}

/// A path as a URI reference: relative ones stay so, for scanners take them from the root of the repository.
fn uri(file: &str) -> String {
    let path = Path::new(file);
    let mut uri = String::new();
    if path.is_absolute() {
        uri.push_str("file:///");
    }
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::ParentDir => Some("..".to_owned()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    for (index, part) in parts.enumerate() {
        if index > 0 {
            uri.push('/');
        }
        for byte in part.bytes() {
            let is_plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@".contains(&byte);
            if is_plain {
                uri.push(char::from(byte));
            } else {
                uri.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    uri
}

fn digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase()
}

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<Outcome>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: String,
    version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: String,
    short_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Help>,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Serialize)]
struct Configuration {
    level: SarifLevel,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: SarifLevel,
    message: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<Physical>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    fully_qualified_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn finding() -> SarifFinding {
        SarifFinding {
            rule: "unknown-field".to_owned(),
            level: SarifLevel::Error,
            message: "there is no such field".to_owned(),
            file: Some("policies/a b.ts".to_owned()),
            line: Some(3),
            column: Some(7),
            help: Some("write `hostNetwork`".to_owned()),
            subject: None,
        }
    }

    fn log(findings: &[SarifFinding]) -> Value {
        let rule = SarifRule {
            id: "unknown-field".to_owned(),
            summary: "No such field.".to_owned(),
            help: String::new(),
            level: SarifLevel::Warning,
        };
        serde_json::to_value(sarif("bylaw lint", &[rule], findings, true)).unwrap()
    }

    #[test]
    fn a_finding_names_its_rule_its_place_and_the_mend() {
        let log = log(&[finding()]);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"], "warning");
        let expected = json!({
            "ruleId": "unknown-field", "ruleIndex": 0, "level": "error",
            "message": {"text": "there is no such field\nhelp: write `hostNetwork`"},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": "policies/a%20b.ts"}, "region": {"startLine": 3, "startColumn": 7},
            }}],
        });
        assert_eq!(run["results"][0], expected);
    }

    #[test]
    fn a_finding_without_a_file_names_its_subject() {
        let found = SarifFinding {
            file: None,
            line: None,
            column: None,
            help: None,
            subject: Some("shop/Pod/web".to_owned()),
            rule: "p.example.com".to_owned(),
            ..finding()
        };
        let result = log(&[found])["runs"][0]["results"][0].clone();
        assert_eq!(result["locations"], json!([{"logicalLocations": [{"fullyQualifiedName": "shop/Pod/web"}]}]));
        assert_eq!(result.get("ruleIndex"), None);
    }

    #[test]
    fn paths_become_uri_references() {
        assert_eq!(uri("./a/../b.ts"), "a/../b.ts");
        assert_eq!(uri("/tmp/ä:#?.ts"), "file:///tmp/%C3%A4%3A%23%3F.ts");
    }
}
