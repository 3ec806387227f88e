use super::*;

fn module(source: &str, is_mutating: bool) -> Result<Translation, Refusal> {
    let declaration = ["name: \"a.b.c\",".to_owned()];
    translate(&Unit { policy: "a.b.c", source, is_mutating, is_typescript: false, declaration: &declaration, permissions: None, about: &[] })
}

/// The body of the handler, and the line that opens it.
fn validate(source: &str) -> String {
    let module = module(source, false).unwrap().module;
    let at = module.find("  validate(").or_else(|| module.find("  async validate(")).unwrap();
    module[at..].trim_end().trim_end_matches("});").to_owned()
}

#[test]
fn a_denial_is_a_return() {
    assert_eq!(
        validate("if (request.object.spec.type === \"NodePort\") deny(\"no\", \"Why\", 422);\n"),
        "  validate({ object, deny }) {\n    if (object.spec.type === \"NodePort\") return deny(\"no\", { reason: \"Why\", code: 422 });\n  },\n"
    );
}

#[test]
fn print_it() {
    for source in [
        "request.object.spec.containers.forEach((container) => {\n  if (container.image === 'x') { deny('no ' + container.image); }\n  if (a) return;\n});",
        "const f = (c) => { if (c.bad) deny(c.why); };\nf(request.object);",
        "const r = create({ apiVersion: 'v1', kind: 'ConfigMap' });\nif (r.ok) print(r);",
        "const n = get('ConfigMap', 'v1', `${request.namespace}/settings`);\nlist('PodList', 'v1', { namespace: request.namespace, cache: false, labelSelector: 'a=b' }).length && deny('x');",
    ] {
        println!("{}\n", module(source, false).unwrap().module);
    }
    println!("{}\n", module("request.object.metadata.labels.a = '1';\nmutate(request.object);", true).unwrap().module);
    println!("{}\n", module("const o = { ...request.object };\nmutate(o);", true).unwrap().module);
}
