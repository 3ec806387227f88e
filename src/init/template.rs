//! The templates, and the names that are put into them.

use std::path::PathBuf;

use crate::types::snippets;

/// What kind of package to start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// A policy that refuses
    #[default]
    Validate,
    /// A policy that changes objects
    Mutate,
    /// A policy that follows objects and writes others
    Controller,
    /// Several policies and the helpers that they share
    Library,
}

type Files = &'static [(&'static str, &'static str)];

macro_rules! template {
    ($folder:literal: $($file:literal => $path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("templates/", $folder, "/", $file)))),*]
    };
}

const COMMON: Files = template!["common":
    "package.json" => "package.json",
    "tsconfig.json" => "tsconfig.json",
    "eslint.config.js" => "eslint.config.js",
    "gitignore" => ".gitignore",
    "workflow.yaml" => ".github/workflows/test.yaml",
    "README.md" => "README.md",
];
const VALIDATE: Files = template!["validate":
    "index.ts" => "policies/index.ts",
    "index.test.ts" => "policies/index.test.ts",
    "cases/images.yaml" => "policies/cases/images.yaml",
];
const MUTATE: Files = template!["mutate":
    "index.ts" => "policies/index.ts",
    "index.test.ts" => "policies/index.test.ts",
    "cases/token.yaml" => "policies/cases/token.yaml",
];
const CONTROLLER: Files = template!["controller":
    "index.ts" => "policies/index.ts",
    "index.test.ts" => "policies/index.test.ts",
];
const LIBRARY: Files = template!["library":
    "index.ts" => "policies/index.ts",
    "index.test.ts" => "policies/index.test.ts",
    "cases/labels.yaml" => "policies/cases/labels.yaml",
    "lib/labels.ts" => "lib/labels.ts",
    "lib/labels.test.ts" => "lib/labels.test.ts",
];

impl Template {
    const fn own(self) -> Files {
        match self {
            Self::Validate => VALIDATE,
            Self::Mutate => MUTATE,
            Self::Controller => CONTROLLER,
            Self::Library => LIBRARY,
        }
    }

    /// Cases are about requests; a controller is asked about none.
    pub const fn has_cases(self) -> bool {
        !matches!(self, Self::Controller)
    }

    /// One sentence for the manifest.
    const fn description(self) -> &'static str {
        match self {
            Self::Validate => "Images come from known registries",
            Self::Mutate => "Pods get no service account token that they did not ask for",
            Self::Controller => "Namespaces are closed until someone opens them",
            Self::Library => "Namespaces say whose they are",
        }
    }

    /// One paragraph for the README.
    const fn about(self) -> &'static str {
        match self {
            Self::Validate => {
                "`policies/index.ts` refuses pods, and workloads that make pods, whose images come from elsewhere than the\nparameter `registries` names."
            }
            Self::Mutate => {
                "`policies/index.ts` sets `automountServiceAccountToken: false` in pods that do not say otherwise."
            }
            Self::Controller => {
                "`policies/index.ts` keeps a NetworkPolicy that denies all ingress in every namespace with the label `isolated: \"true\"`.\nIt needs a `bylaw serve` that is connected to a cluster; without one it is loaded and does nothing."
            }
            Self::Library => "`policies/index.ts` exports several policies, `lib/` has the functions that they share.",
        }
    }

    /// A name in the form that Kubernetes wants, out of that of the package.
    pub(super) fn policy_name(self, label: &str) -> String {
        let about = match self {
            Self::Validate => "images",
            Self::Mutate => "pods",
            Self::Controller | Self::Library => "namespaces",
        };
        format!("{label}.{about}.example.com")
    }

    /// The files of a package by their path in it.
    pub(super) fn files(self, package: &str, policy: &str) -> Vec<(PathBuf, String)> {
        let (files, include) = match self {
            Self::Library => ("\"lib\", ", "\"policies\", \"lib\""),
            _ => ("", "\"policies\""),
        };
        let tests = match self {
            Self::Controller => "the tests, with a cluster made up in memory",
            _ => "the tests beside the policy, with the verdicts that the engine gives",
        };
        let of_cases = |text: &'static str| if self.has_cases() { text } else { "" };
        let put_in = |text: &str| {
            let named = text.replace("%package%", package).replace("%policy%", policy);
            let told = named.replace("%description%", self.description()).replace("%about%", self.about());
            let told = told
                .replace("%cases_check%", of_cases(" && bylaw test -p ."))
                .replace(
                    "%cases_line%",
                    of_cases("bylaw test -p .    # the cases beside the policy, in the engine that serves\n"),
                )
                .replace("%cases_step%", of_cases("      - run: bylaw test -p .\n"));
            told.replace("%files%", files).replace("%include%", include).replace("%tests%", tests)
        };
        let mut all: Vec<(PathBuf, String)> =
            COMMON.iter().chain(self.own()).map(|(name, text)| (PathBuf::from(name), put_in(text))).collect();
        all.push((PathBuf::from(".vscode/bylaw.code-snippets"), snippets().to_owned()));
        all
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use serde_json::Value;

    use super::*;

    #[test]
    fn no_gap_of_a_template_is_left_open() {
        for template in Template::value_variants() {
            for (path, text) in template.files("@acme/registries", "registries.images.example.com") {
                let open = text
                    .split('%')
                    .nth(1)
                    .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
                assert_eq!(open, None, "{}", path.display());
            }
        }
    }

    #[test]
    fn a_package_names_its_policies_and_carries_no_tools() {
        for template in Template::value_variants() {
            let files = template.files("@acme/registries", "registries.images.example.com");
            let manifest: Value = serde_json::from_str(&files[0].1).unwrap();
            let entry = manifest["bylaw"]["policies"].as_str().unwrap().trim_start_matches("./");
            assert!(files.iter().any(|(path, _)| path == &PathBuf::from(entry)));
            assert_eq!(manifest.get("dependencies"), None);
            assert_eq!(manifest["keywords"][0], "bylaw-policy");
        }
    }
}
