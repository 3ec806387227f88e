//! Label selectors: text and object forms of the same requirements select the same labels, as their meaning has it.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use bylaw::matching::{Labels, Selector};
use bylaw::policy::{LabelOperator, LabelRequirement, LabelSelector};

const KEYS: [&str; 8] = ["a", "b", "in", "notin", "example.com/a", "A.b_c-1", "x-y.z/0", "k"];
const VALUES: [&str; 8] = ["", "x", "y", "in", "notin", "1", "A.b_c-1", "007"];
const SPACES: [&str; 5] = ["", " ", "\t", "\r\n", "   "];

pub fn check(data: &[u8]) {
    if let Some(Err(error)) = std::str::from_utf8(data).ok().map(Selector::parse) {
        assert!(error.to_string().len() < 4_096, "the refusal repeats the selector");
    }
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured) -> Result<()> {
    let mut requirements = Vec::new();
    let mut written = Vec::new();
    for _ in 0..u.int_in_range(0..=4_u8)? {
        let requirement = requirement(u)?;
        written.push(write(u, &requirement)?);
        requirements.push(requirement);
    }
    let text = written.join(",");
    let parsed = Selector::parse(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let compiled = LabelSelector { match_labels: BTreeMap::new(), match_expressions: requirements.clone() };
    let compiled = Selector::compile(&compiled, "selector").unwrap();
    assert_eq!(parsed.is_empty(), requirements.is_empty());
    for _ in 0..4 {
        let mut labels = BTreeMap::new();
        for _ in 0..u.int_in_range(0..=4_u8)? {
            labels.insert((*u.choose(&KEYS)?).to_owned(), (*u.choose(&VALUES)?).to_owned());
        }
        let meant = requirements.iter().all(|requirement| holds(requirement, &labels));
        assert_eq!(parsed.matches(&labels), meant, "{text:?} on {labels:?}");
        assert_eq!(compiled.matches(&labels), meant, "{requirements:?} on {labels:?}");
    }
    Ok(())
}

fn requirement(u: &mut Unstructured) -> Result<LabelRequirement> {
    let operators = [LabelOperator::In, LabelOperator::NotIn, LabelOperator::Exists, LabelOperator::DoesNotExist];
    let operator = *u.choose(&operators)?;
    let mut values = Vec::new();
    if matches!(operator, LabelOperator::In | LabelOperator::NotIn) {
        for _ in 0..u.int_in_range(1..=3_u8)? {
            values.push((*u.choose(&VALUES)?).to_owned());
        }
    }
    Ok(LabelRequirement { key: (*u.choose(&KEYS)?).to_owned(), operator, values })
}

/// One of the ways to write a requirement, with white space where it may stand.
fn write(u: &mut Unstructured, requirement: &LabelRequirement) -> Result<String> {
    let key = &requirement.key;
    let mut space = || u.choose(&SPACES).copied();
    let (before, between, after) = (space()?, space()?, space()?);
    let list = format!("{between}({before}{}{after})", requirement.values.join(&format!("{after},{between}")));
    Ok(match (requirement.operator, requirement.values.as_slice()) {
        (LabelOperator::In, [value]) if u.arbitrary()? => {
            let sign = if u.arbitrary()? { "=" } else { "==" };
            format!("{before}{key}{between}{sign}{after}{value}{before}")
        }
        (LabelOperator::NotIn, [value]) if u.arbitrary()? => format!("{before}{key}{between}!={after}{value}{before}"),
        (LabelOperator::In, _) => format!("{before}{key} in{list}"),
        (LabelOperator::NotIn, _) => format!("{before}{key} notin{list}{after}"),
        (LabelOperator::Exists, _) => format!("{before}{key}{after}"),
        (LabelOperator::DoesNotExist, _) => format!("{before}!{between}{key}{after}"),
    })
}

fn holds(requirement: &LabelRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = Labels::get(labels, &requirement.key);
    let is_listed = value.is_some_and(|value| requirement.values.iter().any(|listed| listed == value));
    match requirement.operator {
        LabelOperator::In => is_listed,
        LabelOperator::NotIn => !is_listed,
        LabelOperator::Exists => value.is_some(),
        LabelOperator::DoesNotExist => value.is_none(),
    }
}
