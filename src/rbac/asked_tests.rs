use super::*;
use crate::policy::Account;

fn asker(permissions: &Permissions) -> Asker<'_> {
    Asker { name: "a.b.c", permissions, background: None, watched: None, config_map: None }
}

fn permissions(read: &[&str], write: &[&str]) -> Permissions {
    let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect();
    Permissions { read: list(read), write: list(write), ..Permissions::default() }
}

fn of(read: &[&str], write: &[&str]) -> Asked {
    asked([asker(&permissions(read, write))])
}

fn lines(rules: &[Rule]) -> Vec<String> {
    let join = |words: &[String]| words.join(",");
    let line = |rule: &Rule| {
        let names =
            if rule.resource_names.is_empty() { String::new() } else { format!(" {}", join(&rule.resource_names)) };
        format!("{:?} {}{names} {}", join(&rule.api_groups), join(&rule.resources), join(&rule.verbs))
    };
    rules.iter().map(line).collect()
}

#[test]
fn each_permission_becomes_the_rule_that_covers_it() {
    let asked = of(&["v1/ConfigMap", "v1/Namespace", "networking.k8s.io/v1/Ingress"], &["v1/ConfigMap"]);
    let expected = [
        "\"\" configmaps create,delete,get,list,patch,update,watch",
        "\"\" namespaces get,list,watch",
        "\"networking.k8s.io\" ingresses get,list,watch",
    ];
    assert_eq!((lines(&asked.rules), asked.warnings.len()), (expected.map(str::to_owned).to_vec(), 0));
}

#[test]
fn without_permissions_there_are_no_rules() {
    assert_eq!(of(&[], &[]), Asked::default());
}

#[test]
fn wildcards_are_given_where_a_policy_asks_for_them_and_warned_of() {
    let everything = of(&["*"], &[]);
    assert_eq!(lines(&everything.rules), ["\"*\" * get,list,watch"]);
    assert!(everything.warnings[0].starts_with("a.b.c: read of *: every kind of the cluster"), "{everything:?}");
    let apps = of(&[], &["apps/v1/*"]);
    assert_eq!(lines(&apps.rules), ["\"apps\" * create,delete,patch,update"]);
    assert_eq!(apps.warnings, ["a.b.c: write of apps/v1/*: every kind of apps; name kinds instead"]);
}

#[test]
fn the_plural_of_a_kind_that_is_not_built_in_is_guessed_aloud() {
    let asked = of(&["example.com/v1/GatewayClass"], &[]);
    assert_eq!(lines(&asked.rules), ["\"example.com\" gatewayclasses get,list,watch"]);
    assert!(asked.warnings[0].contains("taken for the resource `gatewayclasses`"), "{asked:?}");
}

#[test]
fn what_a_policy_does_as_an_account_is_that_accounts_to_have() {
    let account =
        |text: &str| Permissions { service_account: Account::parse(text), ..permissions(&["v1/Secret"], &[]) };
    let (own, other) = (account("images"), account("shop/web"));
    let asked = asked([asker(&own), asker(&other)]);
    assert!(asked.rules.is_empty(), "Bylaw itself reads no Secret: {asked:?}");
    assert_eq!(lines(&asked.local[""]), ["\"\" serviceaccounts/token images create"]);
    assert_eq!(lines(&asked.local["shop"]), ["\"\" serviceaccounts/token web create"]);
    let told = "a.b.c: asks as the ServiceAccount images, which must have the rights itself: v1/Secret";
    assert!(asked.warnings.iter().any(|warning| warning == told), "{asked:?}");
}

#[test]
fn what_is_judged_in_the_background_may_be_listed() {
    let none = Permissions::default();
    let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of = |groups: &[&str], resources: &[&str], workloads: bool| {
        let rules =
            MatchSpec { api_groups: list(groups), resources: list(resources), workloads, ..MatchSpec::default() };
        asked([Asker { background: Some(&rules), ..asker(&none) }])
    };
    assert_eq!(lines(&of(&[], &["pods", "pods/exec", "pods/*"], false).rules), ["\"\" pods list"]);
    assert_eq!(lines(&of(&["example.com"], &["widgets"], false).rules), ["\"example.com\" widgets list"]);
    assert_eq!(lines(&of(&["*"], &["events"], false).rules), ["\"\" events list", "\"events.k8s.io\" events list"]);
    assert_eq!(lines(&of(&[], &["widgets"], false).rules), ["\"*\" widgets list"], "of whatever group it is");
    let workloads = lines(&of(&[""], &["pods"], true).rules).join("; ");
    assert!(workloads.contains("deployments") && workloads.contains("cronjobs"), "{workloads}");
    let all = of(&["apps"], &["*"], false);
    assert_eq!(lines(&all.rules), ["\"apps\" * list"]);
    assert_eq!(all.warnings, ["a.b.c: background: every kind of apps; name resources instead"]);
}

#[test]
fn a_config_map_with_parameters_may_be_read_by_name_where_it_is() {
    let none = Permissions::default();
    let of = |namespace: &str| ConfigMapRef { namespace: namespace.to_owned(), name: "limits".to_owned() };
    let (own, other) = (of(""), of("platform"));
    let asked = asked([&own, &other].map(|config_map| Asker { config_map: Some(config_map), ..asker(&none) }));
    assert_eq!(asked.local.len(), 1, "those of its own namespace Bylaw may read: {asked:?}");
    assert_eq!(lines(&asked.local["platform"]), ["\"\" configmaps limits get,list,watch"]);
}

#[test]
fn a_controller_may_see_what_it_watches() {
    let permissions = permissions(&[], &[]);
    let matching = |resources: &[&str], groups: &[&str]| {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
        let rules = MatchSpec { resources: list(resources), api_groups: list(groups), ..MatchSpec::default() };
        asked([Asker { watched: Some(&rules), ..asker(&permissions) }])
    };
    assert_eq!(lines(&matching(&["deployments"], &[]).rules), ["\"apps\" deployments get,list,watch"]);
    assert_eq!(lines(&matching(&["widgets"], &["example.com"]).rules), ["\"example.com\" widgets get,list,watch"]);
    let anywhere = matching(&["widgets"], &["*"]);
    assert_eq!(lines(&anywhere.rules), ["\"*\" widgets get,list,watch"]);
    assert_eq!(anywhere.warnings, ["a.b.c: it watches: `widgets` of every group; name its group in match.apiGroups"]);
}
