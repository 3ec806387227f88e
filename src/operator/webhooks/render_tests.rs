use super::*;

fn rule(groups: &[&str], resources: &[&str]) -> Value {
    json!({ "apiGroups": groups, "resources": resources })
}

#[test]
fn bylaws_own_objects_are_left_out_where_a_rule_reaches_them() {
    let names = |rules: &[Value]| -> Vec<String> {
        let found = conditions(None, rules);
        found.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names(&[rule(&["*"], &["pods"]), rule(&["apps"], &["*"])]).is_empty());
    assert_eq!(names(&[rule(&["*"], &["*/*"])]), ["not-bylaws-own-objects", "not-bylaws-own-kinds"]);
    assert_eq!(names(&[rule(&["bylaw.dev"], &["policyexceptions/status"])]), ["not-bylaws-own-objects"]);
    let definitions = rule(&["apiextensions.k8s.io"], &["customresourcedefinitions"]);
    assert_eq!(names(&[definitions]), ["not-bylaws-own-kinds"]);
}

#[test]
fn exempt_namespaces_stand_beside_the_selector_of_the_policies() {
    let selector: LabelSelector = serde_json::from_value(json!({
        "matchLabels": { "a": "b" }, "matchExpressions": [{ "key": "c", "operator": "Exists" }],
    }))
    .unwrap();
    let found = namespaces(Some(&selector), &BTreeSet::new(), &["kube-system".to_owned()]);
    assert_eq!(found["matchLabels"], json!({ "a": "b" }));
    assert_eq!(found["matchExpressions"].as_array().unwrap().len(), 2);
    assert_eq!(namespaces(None, &BTreeSet::new(), &[]), json!({}));
    let homes = namespaces(None, &BTreeSet::from(["shop", "bank"]), &["kube-system".to_owned()]);
    assert_eq!(homes["matchExpressions"][0]["values"], json!(["bank", "shop"]));
    assert_eq!(homes["matchExpressions"][1]["operator"], "NotIn");
}

#[test]
fn a_path_is_put_behind_a_url_or_into_a_service() {
    assert_eq!(with_path(&json!({ "url": "https://a" }), "validate/x")["url"], "https://a/validate/x");
    let service = with_path(&json!({ "service": { "name": "b" } }), "policy/a.b.c");
    assert_eq!(service["service"]["path"], "/policy/a.b.c");
}

#[test]
fn a_configuration_of_one_policy_has_the_same_name_each_time() {
    let name = suffix("bylaw", "a.b.c");
    assert!(name.len() == SUFFIX && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
    assert_eq!(name, suffix("bylaw", "a.b.c"));
    assert_ne!(name, suffix("other", "a.b.c"));
}

#[test]
fn a_virtual_cluster_asks_about_what_its_host_is_to_foretell() {
    let phases = |vantage: Vantage, resource: &str| -> Vec<Phase> {
        let policy = crate::isolate::testing::validate("").with(|spec| {
            spec.rules.resources.push(resource.to_owned());
            spec.rules.vantage = Some(Vantage::Host);
        });
        let catalog = Catalog { revisions: vec![policy.made()], ..Catalog::default() };
        let registration = Registration {
            name: "bylaw".to_owned(),
            client: json!({ "url": "https://a" }),
            shape: Shape::Grouped,
            exempt: Vec::new(),
            owner: None,
            narrows: false,
            own_kinds: false,
            tenants: false,
            vantage,
        };
        inside(&registration, &catalog, |_| true).into_iter().map(|desired| desired.phase).collect()
    };
    assert_eq!(phases(Vantage::Virtual, "pods"), [Phase::Validate]);
    assert_eq!(phases(Vantage::Virtual, "deployments"), []);
    assert_eq!(phases(Vantage::Host, "pods").len(), 2, "it mutates there too");
}
