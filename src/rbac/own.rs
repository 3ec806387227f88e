//! What Bylaw itself needs, whatever the policies: `charts/bylaw/files/rights.yaml`, which the chart reads too.

use std::sync::LazyLock;

use serde::Deserialize;

use super::Rule;

const SOURCE: &str = include_str!("../../charts/bylaw/files/rights.yaml");

/// What of it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings<'s> {
    pub take_over: bool,
    pub per_policy: bool,
    pub policy_reports: bool,
    pub open_reports: bool,
    /// Registration at the API servers of virtual clusters.
    pub vclusters: bool,
    /// The Secret with a certificate that somebody else renews.
    pub tls_secret: Option<&'s str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rights: Vec<Right>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Right {
    #[serde(rename = "why")]
    _why: String,
    r#in: Where,
    when: Option<When>,
    #[serde(flatten)]
    rule: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Where {
    Cluster,
    Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum When {
    TakeOver,
    PerPolicy,
    PolicyReports,
    OpenReports,
    Vclusters,
    TlsSecret,
}

impl Settings<'_> {
    fn asks_for(self, when: When) -> bool {
        match when {
            When::TakeOver => self.take_over,
            When::PerPolicy => self.per_policy,
            When::PolicyReports => self.policy_reports,
            When::OpenReports => self.open_reports,
            When::Vclusters => self.vclusters,
            When::TlsSecret => self.tls_secret.is_some(),
        }
    }
}

static RIGHTS: LazyLock<Vec<Right>> =
    LazyLock::new(|| serde_saphyr::from_str::<File>(SOURCE).map_or_else(|_| Vec::new(), |file| file.rights));

/// The rules for the whole cluster, and those for the namespace of the installation `name`.
#[must_use]
pub fn own(name: &str, settings: Settings<'_>) -> (Vec<Rule>, Vec<Rule>) {
    let asked = RIGHTS.iter().filter(|right| right.when.is_none_or(|when| settings.asks_for(when)));
    let named = |right: &Right| {
        let secret = settings.tls_secret.unwrap_or_default();
        let names = right.rule.resource_names.iter();
        let resource_names = names.map(|known| known.replace("TLS_SECRET", secret).replace("NAME", name)).collect();
        (right.r#in, Rule { resource_names, ..right.rule.clone() })
    };
    let (cluster, namespace): (Vec<_>, Vec<_>) = asked.map(named).partition(|(place, _)| *place == Where::Cluster);
    let rules = |rights: Vec<(Where, Rule)>| rights.into_iter().map(|(_, rule)| rule).collect();
    (rules(cluster), rules(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Settings<'_> = Settings {
        take_over: true,
        per_policy: true,
        policy_reports: true,
        open_reports: true,
        vclusters: true,
        tls_secret: Some("theirs"),
    };

    fn all(settings: Settings<'_>) -> Vec<Rule> {
        let (mut cluster, namespace) = own("bylaw", settings);
        assert!(!cluster.is_empty() && !namespace.is_empty(), "the file cannot be read");
        cluster.extend(namespace);
        cluster
    }

    #[test]
    fn nothing_of_it_is_a_wildcard() {
        for rule in all(EVERYTHING) {
            let Rule { api_groups, resources, resource_names, verbs } = &rule;
            let mut words = api_groups.iter().chain(resources).chain(resource_names).chain(verbs);
            assert!(!words.any(|word| word.contains('*')), "{rule:?}");
        }
    }

    #[test]
    fn nothing_of_it_leads_to_more_rights() {
        for rule in all(EVERYTHING) {
            let leads = |word: &str| ["escalate", "bind", "impersonate"].contains(&word);
            assert!(!rule.verbs.iter().any(|verb| leads(verb)), "{rule:?}");
            assert!(!rule.api_groups.iter().any(|group| group == "rbac.authorization.k8s.io"), "{rule:?}");
        }
    }

    #[test]
    fn configurations_are_written_by_name_unless_a_setting_asks_for_more() {
        let writes = |settings| {
            let of = all(settings).into_iter().filter(|rule| rule.api_groups == ["admissionregistration.k8s.io"]);
            let writing = of.filter(|rule| rule.verbs.iter().any(|verb| verb == "delete"));
            writing.map(|rule| rule.resource_names).collect::<Vec<_>>()
        };
        let names = ["bylaw", "bylaw-crds", "bylaw-tenancy"].map(str::to_owned).to_vec();
        assert_eq!(writes(Settings::default()), std::slice::from_ref(&names));
        assert_eq!(writes(Settings { take_over: true, ..Settings::default() }), [names, Vec::new()]);
    }

    #[test]
    fn secrets_are_read_by_name_alone_unless_virtual_clusters_are_registered() {
        let of_any =
            |rule: &Rule| rule.resources == ["secrets"] && rule.resource_names.is_empty() && rule.verbs == ["get"];
        assert!(all(EVERYTHING).iter().any(of_any));
        for rule in all(Settings { vclusters: false, ..EVERYTHING })
            .into_iter()
            .filter(|rule| rule.resources.contains(&"secrets".to_owned()))
        {
            let is_named = ["jspolicy-webhook-cert", "bylaw-vcluster-key", "theirs"]
                .iter()
                .any(|name| rule.resource_names == [*name]);
            assert!(is_named || rule.verbs == ["create"], "{rule:?}");
        }
    }
}
