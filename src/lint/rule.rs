//! The rules: each with its id, its level unless told otherwise, whether it can be mended by itself, and its page.

use std::fmt;

use serde::Serialize;

use super::near::nearest;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Off,
    Warn,
    Error,
}

impl Level {
    /// # Errors
    /// Where it is none of the words.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "off" => Ok(Self::Off),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(format!("{word:?} is none of off, warn, error")),
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($rule:ident $id:literal $level:ident $fix:ident $summary:literal,)*) => {
        /// What is looked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $summary] $rule,)*
        }

        impl Rule {
            /// All of them, in the order of their list.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$rule => $id,)* }
            }

            /// The level unless told otherwise.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$rule => Level::$level,)* }
            }

            #[must_use]
            pub const fn is_fixable(self) -> bool {
                match self { $(Self::$rule => rules!(@ $fix),)* }
            }

            /// One sentence.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$rule => $summary,)* }
            }

            /// The page about it, in Markdown.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$rule => include_str!(concat!("pages/", $id, ".md")),)* }
            }
        }
    };
    (@ fix) => { true };
    (@ no) => { false };
}

rules! {
    LoadError "load-error" Error no "A file or a policy that cannot be loaded",
    TypeError "type-error" Error no "A type error that TypeScript finds",
    PolicyName "policy-name" Error fix "A name that no webhook could have, or that two policies have",
    UnknownField "unknown-field" Error fix "A field that the Kubernetes type does not have",
    MissingPermission "missing-permission" Error fix "A call that the policy's permissions do not cover",
    UnusedPermission "unused-permission" Warn fix "A permission that the policy never uses",
    UnreachableMatch "unreachable-match" Error fix "A part of the match, or a condition, that can never hold",
    DeprecatedApi "deprecated-api" Warn no "An API version that Kubernetes does not serve, or not for long",
    MutationNotIdempotent "mutation-not-idempotent" Error no "A mutation that changes its own result when it runs again",
    MutationConflict "mutation-conflict" Warn no "A mutation that a controller, the API server or the next deployment undoes",
    HostMutation "host-mutation" Warn no "A mutation on a host of vClusters that their syncers undo or choke on",
    ModuleState "module-state" Warn no "State that a module keeps from one request to the next",
    UnboundedRegex "unbounded-regex" Error no "A regular expression whose time can explode with its text",
    Nondeterminism "nondeterminism" Warn fix "Time or randomness where the request's own would do",
    UnboundedList "unbounded-list" Warn no "A list of every object of a kind, in all namespaces",
    MissingCases "missing-cases" Warn no "A policy that no case reaches",
    NoDenyCase "no-deny-case" Warn no "A policy that does nothing in any of its cases",
    FailingCase "failing-case" Error no "A case that cannot be read or run",
    UselessSuppression "useless-suppression" Warn fix "A suppression without a finding, a reason or a rule",
}

impl Rule {
    /// # Errors
    /// Where there is no such rule; with a near one, if there is one.
    pub fn parse(id: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|rule| rule.id() == id);
        found.ok_or_else(|| match nearest(id, Self::ALL.iter().map(|rule| rule.id())) {
            Some(near) => format!("there is no rule {id:?}; did you mean {near:?}?"),
            None => format!("there is no rule {id:?}; `bylaw lint --list` names them all"),
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_by_its_id_and_a_misspelt_one_is_named() {
        for rule in Rule::ALL {
            assert_eq!(Rule::parse(rule.id()), Ok(*rule));
            assert!(rule.id().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{rule}");
        }
        assert_eq!(
            Rule::parse("unknown-feild").unwrap_err(),
            "there is no rule \"unknown-feild\"; did you mean \"unknown-field\"?"
        );
    }

    #[test]
    fn every_page_shows_what_is_wrong_and_what_is_right() {
        for rule in Rule::ALL {
            let page = rule.page();
            assert!(page.starts_with(&format!("# {}\n", rule.id())), "{rule}");
            assert!(page.contains("\n## Why\n") && page.contains("\n## Instead\n"), "{rule}");
        }
    }
}
