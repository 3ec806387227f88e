//! What a policy says of itself to people: reports and listings show it, no decision depends on it.

/// How bad a violation is, in the words of the Kubernetes policy report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub(super) const WORDS: [(&'static str, Self); 5] = [
        ("info", Self::Info),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("critical", Self::Critical),
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The describing fields of a policy, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub title: Option<String>,
    pub description: Option<String>,
    pub category: Option<String>,
    pub severity: Option<Severity>,
}

impl About {
    /// Each field of `self`, or where it is absent, of `base`.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            title: self.title.or(base.title),
            description: self.description.or(base.description),
            category: self.category.or(base.category),
            severity: self.severity.or(base.severity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_its_severity_agree() {
        for (word, severity) in Severity::WORDS {
            assert_eq!(severity.as_str(), word);
        }
    }
}
