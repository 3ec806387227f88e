//! Users by pattern: those whose requests a policy leaves alone, those who may do what others may not.

use super::MatchError;
use crate::review::UserInfo;

#[derive(Debug, Default)]
pub struct UserPatterns(Vec<(Pattern, String)>);

#[derive(Debug)]
enum Pattern {
    Name(String),
    Prefix(String),
    Group(String),
}

impl UserPatterns {
    /// `field` leads the error messages.
    ///
    /// # Errors
    /// [`MatchError::Invalid`] for what would be nobody.
    pub fn compile(patterns: &[String], field: &str) -> Result<Self, MatchError> {
        let compile = |(index, text): (usize, &String)| match Pattern::of(text) {
            Some(pattern) => Ok((pattern, text.clone())),
            None => Err(MatchError::invalid(
                format!("{field}[{index}]"),
                "must be a user name, a prefix with `*` at its end, or `group:NAME`",
            )),
        };
        patterns.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// The pattern, as it was written, that `user` fits.
    #[must_use]
    pub fn find(&self, user: &UserInfo) -> Option<&str> {
        let fits = |pattern: &Pattern| match pattern {
            Pattern::Name(name) => *name == user.username,
            Pattern::Prefix(prefix) => user.username.starts_with(&**prefix),
            Pattern::Group(group) => user.groups.contains(group),
        };
        self.0.iter().find(|(pattern, _)| fits(pattern)).map(|(_, text)| &**text)
    }
}

impl Pattern {
    /// `None` for a pattern that would exclude nobody, or everybody by mistake.
    fn of(text: &str) -> Option<Self> {
        if let Some(group) = text.strip_prefix("group:") {
            return (!group.is_empty()).then(|| Self::Group(group.to_owned()));
        }
        if let Some(prefix) = text.strip_suffix('*') {
            return Some(Self::Prefix(prefix.to_owned()));
        }
        (!text.is_empty()).then(|| Self::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(username: &str, groups: &[&str]) -> UserInfo {
        UserInfo { username: username.to_owned(), groups: groups.iter().map(|group| (*group).to_owned()).collect() }
    }

    #[test]
    fn names_prefixes_and_groups_exclude() {
        let patterns = ["admin", "system:node:*", "group:system:masters"].map(str::to_owned);
        let excluded = UserPatterns::compile(&patterns, "excludeUsers").unwrap();
        assert_eq!(excluded.find(&user("admin", &[])), Some("admin"));
        assert_eq!(excluded.find(&user("system:node:a", &[])), Some("system:node:*"));
        assert_eq!(excluded.find(&user("x", &["a", "system:masters"])), Some("group:system:masters"));
        for other in [user("administrator", &[]), user("system:nodes", &["admin"]), user("group:system:masters", &[])] {
            assert_eq!(excluded.find(&other), None, "{other:?}");
        }
    }

    #[test]
    fn an_empty_pattern_is_refused() {
        for bad in ["", "group:"] {
            let error = UserPatterns::compile(&["ok".to_owned(), bad.to_owned()], "excludeUsers").unwrap_err();
            assert!(error.to_string().starts_with("excludeUsers[1]: must be"), "{error}");
        }
    }
}
