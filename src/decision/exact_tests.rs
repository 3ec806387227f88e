//! Numbers that nobody touched stay as they were, to the digit.

use serde_json::json;

use super::*;

/// 2^53 + 1, which JavaScript reads as 2^53.
const ODD: &str = "9007199254740993";
const ROUNDED: &str = "9007199254740992";

fn document(text: &str) -> Document {
    Document::parse(&JsonText::parse(text.to_owned()).unwrap()).unwrap()
}

fn mutation(before: &str, after: &str) -> Mutation {
    Mutation { before: before.to_owned(), after: after.to_owned() }
}

fn patch_text(document: Document) -> String {
    serde_json::to_string(&document.patch_from_original().unwrap()).unwrap()
}

#[test]
fn untouched_numbers_are_neither_changed_nor_patched() {
    let text = format!(r#"{{"a":{ODD},"b":1.0,"c":1e2,"d":12345678901234567890123,"e":0.1,"f":-{ODD}}}"#);
    let before = format!(r#"{{"a":{ROUNDED},"b":1,"c":100,"d":1.2345678901234568e+22,"e":0.1,"f":-{ROUNDED}}}"#);
    let after = before.replace("0.1", "0.2");
    let mut document = document(&text);
    document.apply(&mutation(&before, &after)).unwrap();
    assert!(document.text().as_str().starts_with(&format!(r#"{{"a":{ODD},"b":1.0,"#)));
    assert!(document.text().as_str().ends_with(&format!(r#""e":0.2,"f":-{ODD}}}"#)));
    assert_eq!(patch_text(document), r#"[{"op":"replace","path":"/e","value":0.2}]"#);
}

#[test]
fn a_rounded_integer_that_was_moved_is_refused() {
    let mut document = document(&format!(r#"{{"a":{{"n":{ODD}}}}}"#));
    let before = format!(r#"{{"a":{{"n":{ROUNDED}}}}}"#);
    let error = document.apply(&mutation(&before, &format!(r#"{{"b":{{"n":{ROUNDED}}}}}"#))).unwrap_err();
    assert_eq!(error, PatchError::UnsafeInteger { path: "/b".into(), number: ROUNDED.into(), original: ODD.into() });
    assert_eq!(document.text().as_str(), format!(r#"{{"a":{{"n":{ODD}}}}}"#), "a refused change leaves no trace");
    assert_eq!(document.patch_from_original().unwrap(), vec![]);
}

#[test]
fn the_largest_integers_of_kubernetes_are_recognised() {
    for (exact, javascript) in [
        ("9223372036854775807", "9223372036854776000"),
        ("18446744073709551615", "18446744073709552000"),
        ("-9223372036854775808", "-9223372036854776000"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"),
    ] {
        let mut document = document(&format!(r#"{{"n":{exact}}}"#));
        let before = format!(r#"{{"n":{javascript}}}"#);
        let after = format!(r#"{{"n":{javascript},"m":{javascript}}}"#);
        let refused = document.apply(&mutation(&before, &after));
        assert!(matches!(refused, Err(PatchError::UnsafeInteger { .. })), "{exact}: {refused:?}");
    }
}

#[test]
fn integers_that_javascript_holds_exactly_may_be_moved() {
    for number in ["9007199254740991", "9007199254740992", "9007199254740994", "1e300", "3.5"] {
        let mut document = document(&format!(r#"{{"n":{number}}}"#));
        let before = format!(r#"{{"n":{number}}}"#);
        let after = format!(r#"{{"n":{number},"m":{number}}}"#);
        document.apply(&mutation(&before, &after)).unwrap();
    }
}

#[test]
fn a_new_large_integer_of_the_policy_is_its_own_affair() {
    let mut document = document(r#"{"n":1}"#);
    document.apply(&mutation(r#"{"n":1}"#, r#"{"n":9007199254740996}"#)).unwrap();
    assert_eq!(patch_text(document), r#"[{"op":"replace","path":"/n","value":9007199254740996}]"#);
}

#[test]
fn the_changes_of_several_policies_become_one_patch() {
    let mut document = document(&format!(r#"{{"n":{ODD},"a":1,"b":1}}"#));
    let before = format!(r#"{{"n":{ROUNDED},"a":1,"b":1}}"#);
    document.apply(&mutation(&before, &format!(r#"{{"n":{ROUNDED},"a":2,"b":1,"c":1}}"#))).unwrap();
    assert_eq!(document.text().as_str(), format!(r#"{{"n":{ODD},"a":2,"b":1,"c":1}}"#));

    let before = format!(r#"{{"n":{ROUNDED},"a":2,"b":1,"c":1}}"#);
    document.apply(&mutation(&before, &format!(r#"{{"n":{ROUNDED},"a":3,"b":1}}"#))).unwrap();
    assert_eq!(patch_text(document), r#"[{"op":"replace","path":"/a","value":3}]"#);
}

#[test]
fn changes_that_cancel_out_leave_no_patch() {
    let mut document = document(r#"{"a":1}"#);
    document.apply(&mutation(r#"{"a":1}"#, r#"{"a":2}"#)).unwrap();
    document.apply(&mutation(r#"{"a":2}"#, r#"{"a":1}"#)).unwrap();
    assert_eq!(document.patch_from_original().unwrap(), vec![]);
}

#[test]
fn a_policy_that_changed_nothing_leaves_the_original_text() {
    let text = r#"{ "a" : 1.50 }"#;
    let mut document = document(text);
    document.apply(&mutation(r#"{"a":1.5}"#, r#"{"a":1.5}"#)).unwrap();
    assert_eq!(document.text().as_str(), text);
    assert_eq!(document.patch_from_original().unwrap(), vec![]);
}

#[test]
fn a_change_of_another_object_is_refused() {
    for (exact, before, path) in [
        (r#"{"a":1}"#, r#"{"a":2}"#, "/a"),
        (r#"{"a":1}"#, r#"{"b":1}"#, "/a"),
        (r#"{"a":1}"#, r#"{"a":1,"b":1}"#, ""),
        (r#"{"a":[1]}"#, r#"{"a":[1,2]}"#, "/a"),
        (r#"{"a":[{"b":"x"}]}"#, r#"{"a":[{"b":"y"}]}"#, "/a/0/b"),
        (r#"{"a":1}"#, r#"{"a":null}"#, "/a"),
    ] {
        let refused = document(exact).apply(&mutation(before, r#"{"z":1}"#));
        assert_eq!(refused, Err(PatchError::WrongBase { path: path.into() }), "{exact} {before}");
    }
}

#[test]
fn what_is_not_an_object_or_not_json_is_refused() {
    let mut document = document(r#"{"a":1}"#);
    assert_eq!(document.apply(&mutation(r#"{"a":1}"#, "[1]")), Err(PatchError::NotAnObject));
    assert_eq!(document.apply(&mutation(r#"{"a":1}"#, "null")), Err(PatchError::NotAnObject));
    let error = document.apply(&mutation(r#"{"a":1}"#, "{secret")).unwrap_err();
    assert!(matches!(error, PatchError::NotJson { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");

    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let error = document.apply(&mutation(r#"{"a":1}"#, &deep)).unwrap_err();
    assert!(error.to_string().contains("nested too deeply"), "{error}");
}

#[test]
fn a_text_that_javascript_left_as_it_was_goes_the_short_way_with_the_same_result() {
    let text = r#"{"a":1,"list":[{"name":"x"}],"big":9007199254740992}"#;
    let after = text.replace(r"[{", r#"[{"name":"new"},{"#).replace(r#""a":1"#, r#""a":2"#);
    let mut short = document(text);
    short.apply(&mutation(text, &after)).unwrap();
    let mut long = document(&text.replace(',', " , "));
    long.apply(&mutation(text, &after)).unwrap();
    assert_eq!(short.text(), long.text());
    assert_eq!(short.text().as_str(), after);
    assert_eq!(short.patch_from_original(), long.patch_from_original());
}

#[test]
fn an_object_that_looks_like_a_number_of_the_parser_stays_an_object() {
    let text = r#"{"a":{"$serde_json::private::Number":"1"},"b":1.0}"#;
    let mut document = document(text);
    let before = text.replace("1.0", "1");
    document.apply(&mutation(&before, &before.replace(r#""b":1"#, r#""b":2"#))).unwrap();
    assert_eq!(document.text().as_str(), text.replace("1.0", "2"));
    assert_eq!(patch_text(document), r#"[{"op":"replace","path":"/b","value":2}]"#);
}

#[test]
fn keys_that_javascript_treats_specially_are_ordinary() {
    let text = r#"{"__proto__":{"x":1},"2":0,"1":0,"constructor":1,"":1}"#;
    let javascript = r#"{"1":0,"2":0,"__proto__":{"x":1},"constructor":1,"":1}"#;
    let mut document = document(text);
    document.apply(&mutation(javascript, &javascript.replace(r#""x":1"#, r#""x":2"#))).unwrap();
    assert_eq!(
        serde_json::to_value(document.patch_from_original().unwrap()).unwrap(),
        json!([{"op": "replace", "path": "/__proto__/x", "value": 2}])
    );
}
