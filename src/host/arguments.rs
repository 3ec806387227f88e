//! The arguments of each host function, as JSON text from the policy's realm: hostile until read here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::value::RawValue;

use crate::cluster::CacheMode;
use crate::policy::spec::LabelSelector;

use super::HostError;

/// Reads arguments; an unknown one is an error, for a misspelt `namespace` or selector would answer with too much.
pub fn parse<'a, T: Deserialize<'a>>(op: &str, args: &'a str) -> Result<T, HostError> {
    serde_json::from_str(args).map_err(|error| {
        let text = error.to_string();
        let cause = text.split(" at line ").next().unwrap_or(&text);
        HostError::wrong_arguments(op, cause)
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetArguments {
    pub api_version: String,
    pub kind: String,
    #[serde(default)]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(default, deserialize_with = "cache_mode")]
    pub cache: CacheMode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListArguments {
    pub api_version: String,
    pub kind: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default, alias = "selector")]
    pub label_selector: Option<SelectorArgument>,
    #[serde(default, deserialize_with = "cache_mode")]
    pub cache: CacheMode,
}

/// `app=web,tier!=db`, or a `metav1.LabelSelector`.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "labelSelector is neither a string such as \"app=web\" nor {matchLabels, matchExpressions}"
)]
pub enum SelectorArgument {
    Text(String),
    Object(LabelSelector),
}

/// `create` and `update`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectArguments<'a> {
    #[serde(borrow)]
    pub object: &'a RawValue,
}

/// `apply`; without `force` a field that somebody else manages is a conflict.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyArguments<'a> {
    #[serde(borrow)]
    pub object: &'a RawValue,
    #[serde(default)]
    pub force: Option<bool>,
}

/// `remove`: the object, or where it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveArguments<'a> {
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    #[serde(default)]
    pub api_version: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchArguments<'a> {
    pub api_version: String,
    pub kind: String,
    #[serde(default)]
    pub namespace: Option<String>,
    pub name: String,
    /// An object is a merge patch (RFC 7386), an array a JSON patch (RFC 6902).
    #[serde(borrow)]
    pub patch: &'a RawValue,
}

/// What says which object an object is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectHead {
    pub api_version: String,
    pub kind: String,
    #[serde(default)]
    pub metadata: ObjectMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ObjectMetadata {
    pub name: Option<String>,
    pub namespace: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchArguments {
    pub url: String,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub body: Option<String>,
    /// Accept any certificate.
    #[serde(default)]
    pub insecure: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvArguments {
    pub name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileArguments {
    pub path: String,
}

fn cache_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CacheMode, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "cache is none of true, false and \"smart\"")]
    enum Given {
        Switch(bool),
        Word(String),
    }
    match Option::<Given>::deserialize(deserializer)? {
        None | Some(Given::Switch(true)) => Ok(CacheMode::Cached),
        Some(Given::Switch(false)) => Ok(CacheMode::Live),
        Some(Given::Word(word)) if word == "smart" => Ok(CacheMode::Smart),
        Some(Given::Word(word)) => Err(D::Error::custom(format!("cache is {word:?}: give true, false or \"smart\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(cache: &str) -> Result<CacheMode, HostError> {
        let args = format!(r#"{{"apiVersion":"v1","kind":"Pod","name":"a"{cache}}}"#);
        parse::<GetArguments>("get", &args).map(|args| args.cache)
    }

    #[test]
    fn reads_the_three_cache_modes() {
        assert_eq!(mode(""), Ok(CacheMode::Cached));
        assert_eq!(mode(r#","cache":null"#), Ok(CacheMode::Cached));
        assert_eq!(mode(r#","cache":true"#), Ok(CacheMode::Cached));
        assert_eq!(mode(r#","cache":false"#), Ok(CacheMode::Live));
        assert_eq!(mode(r#","cache":"smart""#), Ok(CacheMode::Smart));
        assert_eq!(
            mode(r#","cache":"clever""#).unwrap_err().message,
            r#"get: cache is "clever": give true, false or "smart""#
        );
        assert_eq!(mode(r#","cache":1"#).unwrap_err().message, r#"get: cache is none of true, false and "smart""#);
    }

    #[test]
    fn names_a_missing_or_misspelt_argument() {
        let error = parse::<GetArguments>("get", r#"{"apiVersion":"v1","kind":"Pod"}"#).unwrap_err();
        assert_eq!((error.reason.as_str(), error.message.as_str()), ("WrongArguments", "get: missing field `name`"));
        let error = parse::<ListArguments>("list", r#"{"apiVersion":"v1","kind":"Pod","namespaces":"a"}"#).unwrap_err();
        assert!(error.message.contains("`namespaces`"), "{error}");
        let error = parse::<ListArguments>("list", r#"{"apiVersion":"v1","kind":"Pod","selector":1}"#).unwrap_err();
        assert!(error.message.contains("matchLabels"), "{error}");
    }
}
