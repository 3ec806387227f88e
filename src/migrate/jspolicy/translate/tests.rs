use super::*;

fn module(source: &str, is_mutating: bool) -> Result<Translation, Refusal> {
    let declaration = ["name: \"a.b.c\",".to_owned()];
    let unit = Unit {
        policy: "a.b.c",
        source,
        is_mutating,
        is_typescript: false,
        declaration: &declaration,
        permissions: None,
        about: &[],
    };
    translate(&unit)
}

/// The lines of the handler's body, and the permissions where there are some.
fn body_of(source: &str, is_mutating: bool) -> String {
    let module = module(source, is_mutating).unwrap().module;
    let (_, declared) = module.split_once("  name: \"a.b.c\",\n").unwrap();
    let lines = declared.trim_end().strip_suffix("  },\n});").unwrap().lines();
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn validate(source: &str) -> String {
    body_of(source, false)
}

fn mutate(source: &str) -> String {
    body_of(source, true)
}

fn refused(source: &str) -> String {
    module(source, false).unwrap_err().reason
}

#[test]
fn a_denial_is_a_return_with_its_reason_and_code_by_name() {
    assert_eq!(
        validate("if (request.object.spec.a) deny(\"no\", \"Why\", 422);\nwarn('b');"),
        "  validate({ object, deny, warn }) {\nif (object.spec.a) return deny(\"no\", { reason: \"Why\", code: 422 });\nwarn('b');"
    );
}

#[test]
fn what_jspolicy_took_for_an_empty_text_still_is_one() {
    assert_eq!(validate("deny();"), "  validate({ deny }) {\nreturn deny(\"\");");
    assert!(validate("deny(request.object.why, null, 0);").contains("return deny(object.why ?? \"\");"));
    assert!(validate("deny(a + 'text', r, c);").contains("{ reason: (r) || undefined, code: (c) || undefined }"));
}

#[test]
fn an_end_after_a_condition_is_an_if() {
    assert!(validate("request.name || deny('x');\nwarn('y')").contains("if (!(request.name)) return deny('x');"));
    assert!(validate("request.name === 'a' && allow();\nwarn('y')").contains("if (request.name === 'a') return;"));
}

#[test]
fn the_last_plain_end_is_left_out() {
    assert!(!validate("warn('a');\nallow();").contains("return"));
}

#[test]
fn for_each_becomes_a_loop_where_something_leaves_it() {
    assert_eq!(
        validate("request.object.a.forEach((one, at) => {\n  if (!one) return;\n  deny(`${at}`);\n});"),
        "  validate({ object, deny }) {\nfor (const [at, one] of object.a.entries()) {\n  if (!one) continue;\n  return deny(`${at}`);\n}"
    );
    assert!(
        validate("request.object.a?.forEach((x) => { deny('x'); });").contains("for (const x of object.a ?? []) {")
    );
    assert!(
        validate("request.object.a.forEach((x) => print(x));").contains("object.a.forEach((x: Dynamic) => log(x));")
    );
}

#[test]
fn an_end_inside_a_function_is_thrown_past_every_catch() {
    let made = validate(
        "const f = () => { deny('x'); };\ntry {\n  f();\n} catch {\n  warn('y');\n} finally {\n  warn('z');\n}",
    );
    for part in [
        "const f = () => { end(deny('x')); };",
        "} catch (error) { if (error instanceof Ended) throw error;",
        "} finally { if (!ended) {",
        "let ended = false;",
        "if (!(error instanceof Ended)) throw error;",
    ] {
        assert!(made.contains(part), "{part} is not in\n{made}");
    }
}

#[test]
fn an_end_in_a_promise_is_heard_once() {
    let made = validate("Promise.resolve().then(() => deny('x'));\nallow();");
    assert!(made.contains("then(() => last(() => deny('x')))") && made.contains("end()"), "{made}");
}

#[test]
fn the_request_is_the_context() {
    assert_eq!(
        validate(
            "const { name } = request.object.metadata;\nif (request.userInfo.groups.includes(name) && request.operation) allow();\nwarn(request.namespace);"
        ),
        "  validate({ object, request, operation, user, warn }) {\nconst { name } = object.metadata;\n\
         if (user.groups!.includes(name) && operation) return;\nwarn(request.namespace! ?? \"\");"
    );
}

#[test]
fn names_of_the_script_stay_its_own() {
    let made = validate("const object = request.object;\nfunction log(a) { print(a); }\nlog(object);");
    assert!(made.starts_with("  validate({ object: judged, log: logLine }) {\nconst object = judged;"), "{made}");
    assert!(made.contains("function log(a: Dynamic) { logLine(a); }"), "{made}");
}

#[test]
fn a_script_that_edits_what_it_judges_gets_a_copy() {
    let made =
        validate("request.object.labels = request.object.labels || {};\nif (!request.object.labels.a) deny('x');");
    assert!(
        made.starts_with("  validate({ object: judged, deny }) {\nconst object: Dynamic = structuredClone(judged);"),
        "{made}"
    );
}

#[test]
fn edits_of_the_draft_need_no_mutate() {
    assert_eq!(mutate("request.object.a = 1;\nmutate(request.object);"), "  mutate({ object }) {\nobject.a = 1;");
    assert_eq!(
        mutate("const pod = request.object;\nif (!pod.a) {\n  pod.a = 1;\n  mutate(pod);\n}"),
        "  mutate({ object }) {\nconst pod = object;\nif (!pod.a) {\n  pod.a = 1;\n  return;\n}"
    );
}

#[test]
fn edits_that_are_not_kept_are_made_to_a_copy() {
    for source in [
        "request.object.a = 1;\nif (request.name) allow();\nmutate(request.object);",
        "request.object.a = 1;\nif (request.name) mutate(request.object);",
        "mutate({ ...request.object, a: 1 });",
    ] {
        let made = mutate(source);
        assert!(
            made.contains("const object: Dynamic = structuredClone(draft);") && made.contains("become(draft, "),
            "{made}"
        );
    }
}

#[test]
fn reads_name_what_they_read() {
    for (source, made) in [
        (
            "get('ConfigMap', 'v1', `${request.namespace}/a`)",
            "get<Dynamic>(\"v1/ConfigMap\", { namespace: request.namespace, name: \"a\" })",
        ),
        (
            "get('ConfigMap', 'v1', request.namespace + '/a')",
            "get<Dynamic>(\"v1/ConfigMap\", { namespace: request.namespace, name: \"a\" })",
        ),
        (
            "get('ConfigMap', 'v1', 'n/' + request.name)",
            "get<Dynamic>(\"v1/ConfigMap\", { namespace: \"n\", name: request.name })",
        ),
        (
            "get('ConfigMap', 'v1', request.a + '/' + request.b + '-x')",
            "get<Dynamic>(\"v1/ConfigMap\", { namespace: request.a, name: request.b + '-x' })",
        ),
        (
            "get('Namespace', 'v1', request.namespace, { cache: true })",
            "get<Dynamic>(\"v1/Namespace\", { name: request.namespace! })",
        ),
        ("get('A', 'b/v1', request.path)", "get<Dynamic>(\"b/v1/A\", place(request.path))"),
        ("get('ConfigMap', 'v1', 'n/x')", "get<Dynamic>(\"v1/ConfigMap\", { namespace: \"n\", name: \"x\" })"),
        ("list('PodList', 'v1')", "list<Dynamic>(\"v1/Pod\")"),
        ("list('Pod', 'v1', { cache: false })", "list<Dynamic>(\"v1/Pod\")"),
        ("list('Pod', 'v1', { cache: false, labelSelector: 'a=b' })", "list<Dynamic>(\"v1/Pod\", { selector: 'a=b' })"),
        ("env('A')", "env('A') ?? \"\""),
        ("readFileSync('/etc/a')", "readText(readFile, '/etc/a')"),
        ("atob('YQ==')", "decodeBase64('YQ==')"),
    ] {
        let body = validate(&format!("const found = {source};"));
        assert!(body.contains(&format!("= {made};")), "{source} became\n{body}");
    }
}

#[test]
fn permissions_are_those_that_are_used() {
    let made = validate(
        "get('ConfigMap', 'v1', 'a/b');\nlist('DeploymentList', 'apps/v1');\nenv('HOME');\nreadFileSync('/etc/a');\n\
         create({ apiVersion: 'v1', kind: 'Event' });\nfetchSync('https://a.example.com:8443/x');",
    );
    let wanted = "  permissions: { read: [\"apps/v1/Deployment\", \"v1/ConfigMap\"], write: [\"v1/Event\"], \
                  net: [\"a.example.com:8443\"], env: [\"HOME\"], files: [\"/etc/a\"] },";
    assert!(made.starts_with(wanted), "{made}");
    let unknown = module("env(request.name);", false).unwrap();
    assert!(unknown.module.contains("permissions: { env: [\"*\"] }"));
    assert_eq!(unknown.notes, ["line 1: which variable is read shows only when it runs, so it may read every one"]);
}

#[test]
fn whoever_calls_what_waits_waits_too() {
    let made = validate(
        "const f = (o) => { const r = create(o); return r.ok; };\n[1].forEach((n) => {\n  if (f({ n })) warn('x');\n});",
    );
    assert!(made.contains("async validate("), "{made}");
    assert!(made.contains("async (o: Dynamic) => { const r = await attempt(create, o);"), "{made}");
    assert!(made.contains("for (const n of [1]) {\n  if (await f({ n })) warn('x');"), "{made}");
    assert!(refused("[1].map((n) => create({ n }));").contains("inside the callback of `map`"));
}

#[test]
fn what_has_no_counterpart_is_refused_with_its_reason() {
    for (source, reason) in [
        ("__response.deny = true;", "`__response`"),
        ("deny('x', 'Y', 200);", "a denial with code 200"),
        ("[1].forEach(deny);", "handed on as a value"),
        ("deny = 1;", "handed on as a value"),
        ("warn(...[1]);\nprint = 1;", "puts its own in the place of `print`"),
        ("require('x');", "`require`"),
        ("if (a === 010) deny('x');", "it is no strict code"),
    ] {
        let told = refused(source);
        assert!(told.contains(reason), "{source}: {told}");
    }
}

#[test]
fn comments_and_texts_of_many_lines_stay_as_they_are() {
    let module = module("// why\nwarn(`a\n  b`); /* and\n   so on */\n", false).unwrap().module;
    assert!(module.contains("    // why\n    warn(`a\n  b`); /* and\n       so on */\n  },"), "{module}");
}

#[test]
fn imports_go_to_the_top_and_a_returned_value_to_nobody() {
    let module =
        module("\"use strict\";\nimport a from './a.js';\nif (a) return a;\nsleep(5);\n", false).unwrap().module;
    assert!(module.contains("import { policy } from \"@bylaw/sdk\";\nimport a from './a.js';\n"), "{module}");
    assert!(module.contains("return void (a);") && module.contains("/* sleep(5) */"), "{module}");
    assert!(!module.contains("use strict"), "{module}");
}
