//! Where an error is said to be.

use super::super::testing::{Rig, bundle, error, script, validate};

fn told(draft: super::super::testing::Draft) -> String {
    error(&Rig::new().run(draft)).1.to_owned()
}

#[test]
fn an_error_is_told_with_line_and_column() {
    assert_eq!(told(validate("\n  null.x")), "TypeError: Cannot read properties of null (reading 'x') (at p.js:2:8)");
    assert_eq!(told(script("1;\n  nope()")), "Uncaught ReferenceError: nope is not defined (at p.js:3:3)");
}

#[test]
fn what_a_prelude_throws_is_told_where_the_policy_called_it() {
    assert_eq!(told(validate("\n  c.deny(7)")), "TypeError: deny: message must be a string, not number (at p.js:2:5)");
    assert_eq!(
        told(validate("\n [1].forEach(() => c.warn())")),
        "TypeError: warn: message must be a string, not undefined (at p.js:2:22)"
    );
    assert_eq!(told(validate("\n  atob('%')")), "InvalidCharacterError: atob: the text is not base64 (at p.js:2:3)");
    assert!(told(script("1;\n  create(7)")).contains("create: expects one object"));
}

#[test]
fn an_error_of_the_host_is_told_where_the_policy_asked() {
    let told = told(validate("\n  c.get('v1/ConfigMap', { namespace: 'shop', name: 'x' })"));
    assert!(told.starts_with("HostError: ") && told.ends_with("(at p.js:2:5)"), "{told}");
}

#[test]
fn a_place_is_mapped_back_to_the_authors_file() {
    let map = crate::bundle::line_map("author.ts", 0, &[(41, 3), (42, 3)]);
    let told = told(bundle("({ default: { validate() {\nthrow new Error('x'); } } })").mapped(&map));
    assert_eq!(told, "Error: x (at author.ts:42:3)");
}

#[test]
fn a_syntax_error_is_told_with_its_place() {
    let told = told(bundle("({ default: {\n  validate( { }"));
    assert!(told.starts_with("SyntaxError: ") && told.contains("(at p.js:2:"), "{told}");
}

#[test]
fn a_long_message_is_cut() {
    let told = told(validate("throw new Error('\u{e4}'.repeat(1e7))"));
    assert!(told.len() < 2_200, "{}", told.len());
    let told = self::told(script("throw 'x'.repeat(1e7)"));
    assert!(told.len() < 2_200, "{}", told.len());
}
