//! The `ServiceAccount` that a policy asks as: `NAME` in Bylaw's own namespace, or `NAMESPACE/NAME`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Both halves are checked: they end up in a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account {
    namespace: Option<String>,
    name: String,
}

impl Account {
    /// `None` for what cannot be the name of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let is_namespace = |namespace: &str| namespace.len() <= 63 && is_label(namespace);
        let is_right = name.len() <= 253 && name.split('.').all(is_label) && namespace.is_none_or(is_namespace);
        is_right.then(|| Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `None` for Bylaw's own.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// With its namespace, where that is known.
    #[must_use]
    pub fn within(&self, own: Option<&str>) -> Self {
        let namespace = self.namespace.as_deref().or(own).map(str::to_owned);
        Self { namespace, name: self.name.clone() }
    }
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(is_inner)
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl TryFrom<String> for Account {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("is no ServiceAccount")
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_in_the_namespace_named_or_in_bylaws_own() {
        let account = Account::parse("images").unwrap();
        assert_eq!((account.namespace(), account.within(Some("own")).to_string()), (None, "own/images".to_owned()));
        let account = Account::parse("shop/images.v2").unwrap();
        assert_eq!(
            (account.namespace(), account.within(Some("own")).to_string()),
            (Some("shop"), "shop/images.v2".to_owned())
        );
    }

    #[test]
    fn what_would_leave_its_place_in_a_url_is_no_account() {
        for text in ["", "/", "a/", "/a", "a/b/c", "..", "a/..", "A", "a b", "a%2fb", "-a", "a?b", "a.b/c", "a/b#"] {
            assert_eq!(Account::parse(text), None, "{text}");
        }
        assert_eq!(Account::parse(&format!("{}/a", "n".repeat(64))), None);
    }
}
