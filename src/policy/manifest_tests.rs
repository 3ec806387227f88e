use super::*;

fn policy(name: &str, javascript: &str) -> String {
    format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}\nspec:\n  operations: [CREATE]\n  resources: [pods]\n  javascript: {javascript}\n"
    )
}

fn parse(text: &str) -> Manifest {
    Manifest::parse("p.yaml", text).unwrap()
}

#[test]
fn many_documents_are_read_and_other_kinds_noted() {
    let text = format!(
        "# a comment\n---\n{}---\n{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n---\n",
        policy("a.b.c", "\"deny('1')\""),
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicyBundle\nmetadata: {name: d.e.f}\nspec: {bundle: H4sI}\n",
    );
    let manifest = parse(&text);
    assert_eq!((manifest.policies.len(), manifest.bundles.len(), manifest.broken.len()), (1, 1, 0));
    assert_eq!(manifest.bundles[0].encoded, "H4sI");
    assert_eq!(manifest.notes, ["ConfigMap x is passed over: only JsPolicy, JsPolicyBundle and TenantPolicy are read"]);
}

#[test]
fn json_and_lists_are_read_too() {
    let item = r#"{"apiVersion":"policy.jspolicy.com/v1beta1","kind":"JsPolicy","metadata":{"name":"a.b.c"},"spec":{"operations":["CREATE"],"resources":["pods"],"javascript":"deny()"}}"#;
    assert_eq!(parse(item).policies.len(), 1);
    let list = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{item},{item}]}}");
    assert_eq!(parse(&list).policies.len(), 2);
}

#[test]
fn a_broken_object_leaves_its_neighbours_alone() {
    let text = format!(
        "{}---\n{}---\n{}",
        policy("a.b", "x"),
        policy("a.b.c", "x"),
        policy("d.e.f", "x").replace("v1beta1", "v1")
    );
    let manifest = parse(&text);
    assert_eq!(manifest.policies.len(), 1);
    let told: Vec<String> = manifest.broken.iter().map(|(_, error)| error.to_string()).collect();
    assert!(told[0].starts_with("JsPolicy a.b: metadata.name: `a.b` must be a DNS name"), "{told:?}");
    assert_eq!(told[1], "JsPolicy d.e.f: apiVersion: `policy.jspolicy.com/v1` must be policy.jspolicy.com/v1beta1");
}

#[test]
fn what_is_no_yaml_is_shown_where_it_breaks() {
    let error = Manifest::parse("p.yaml", "kind: JsPolicy\nspec: [1, 2\nmetadata: x\n").unwrap_err().to_string();
    assert!(error.starts_with("p.yaml:3:"), "{error}");
    assert!(error.contains("3 | metadata: x"), "{error}");
}

#[test]
fn duplicate_keys_are_refused() {
    let error = Manifest::parse("p.yaml", "kind: JsPolicy\nkind: ConfigMap\n").unwrap_err().to_string();
    assert!(error.starts_with("p.yaml:2:1: "), "{error}");
}

#[test]
fn alias_bombs_and_document_storms_end_early() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        bomb = format!("{bomb}a{level}: &a{level} [{}]\n", before.trim_end_matches(", "));
    }
    let started = std::time::Instant::now();
    assert!(Manifest::parse("p.yaml", &bomb).is_err());
    assert!(Manifest::parse("p.yaml", &"--- {}\n".repeat(5_000)).is_err());
    assert!(Manifest::parse("p.yaml", &"[".repeat(100_000)).is_err());
    assert!(started.elapsed() < std::time::Duration::from_mins(1), "{:?}", started.elapsed());
}

#[test]
fn lines_of_a_block_scalar_are_found_in_the_file() {
    let text = policy("a.b.c", "|\n    if (request.name) {\n\n      deny('no');\n    }");
    let policies = parse(&text).policies;
    assert_eq!(policies[0].places, [(9, 5), (10, 5), (11, 5), (12, 5)]);
}

#[test]
fn block_scalars_with_comments_indicators_and_later_documents_are_found() {
    let second = policy("a.b.c", "|2-  # the code\n      deny('no');\n    allow();");
    let text = format!("{}---\n{second}", policy("x.y.z", "deny()"));
    let policies = parse(&text).policies;
    let line = u32::try_from(text.lines().position(|line| line.contains("deny('no')")).unwrap()).unwrap() + 1;
    assert_eq!(policies[1].policy.code, CodeSource::JavaScript("  deny('no');\nallow();".to_owned()));
    assert_eq!(policies[1].places, [(line, 5), (line + 1, 5)]);
}

#[test]
fn other_styles_are_placed_at_the_scalar() {
    let policies = parse(&policy("a.b.c", "\"deny('1');\\ndeny('2');\"")).policies;
    assert_eq!(policies[0].places, [(8, 15), (8, 15)]);
}

#[test]
fn a_bundle_without_content_is_refused() {
    let manifest =
        parse("apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicyBundle\nmetadata: {name: a.b.c}\nspec: {}\n");
    assert!(manifest.broken[0].1.to_string().starts_with("JsPolicyBundle a.b.c: spec.bundle: must be"));
}

#[test]
fn binary_tags_are_text() {
    let manifest = parse(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicyBundle\nmetadata: {name: a.b.c}\nspec:\n  bundle: !!binary |\n    H4sI\n    AAAA\n",
    );
    assert_eq!(manifest.bundles.len(), 1, "{:?}", manifest.broken);
}
