//! Whatever nests is counted, whatever does not is not.

use super::*;

/// Sources whose trees are as deep as `levels`, each in another way.
pub(in crate::bundle) fn towers(levels: usize) -> Vec<String> {
    let pairs = |open: &str, close: &str| format!("x = {}1{};", open.repeat(levels), close.repeat(levels));
    let runs = |part: &str| format!("x = a{};", part.repeat(levels));
    vec![
        pairs("(", ")"),
        pairs("[", "]"),
        pairs("{a:", "}"),
        pairs("()=>{", "}"),
        pairs("f(", ")"),
        pairs("`${", "}`"),
        pairs("/*)*/(", ")"),
        pairs("(/[)]/,", ")"),
        format!("x = {}1;", "!".repeat(levels)),
        format!("x = {}1;", "- ".repeat(levels)),
        format!("x = {}1;", "typeof ".repeat(levels)),
        format!("x = {}A;", "new ".repeat(levels)),
        runs("+1"),
        runs("\n+1"),
        runs("+\n1"),
        runs(".b"),
        runs("[0]"),
        runs("()"),
        runs("`t`"),
        runs("?b:c"),
        runs("+f(a,b)"),
        runs(" as any"),
        "if(a){}else ".repeat(levels) + "{}",
        "if(a)".repeat(levels) + "b()",
        "a:".repeat(levels) + "b()",
        format!("x = {}a;", "a=>".repeat(levels)),
    ]
}

#[test]
fn every_way_of_nesting_is_counted() {
    for tower in towers(MAX_LEVELS + 10) {
        assert!(too_deep(&tower, true).is_some(), "{}", &tower[..60]);
    }
    for tower in towers(200) {
        assert!(too_deep(&tower, true).is_none(), "{}", &tower[..60]);
    }
}

#[test]
fn nesting_within_nesting_adds_up() {
    let chain = format!("a{}", "+a".repeat(100));
    let nested = format!("x = {}1{};", format!("{chain}+(").repeat(100), ")".repeat(100));
    assert!(too_deep(&nested, true).is_some());
}

#[test]
fn long_flat_sources_are_not_deep() {
    for line in [
        "a = b + c * d(e, f.g)\n",
        "const x = { a: [1, 2, { b: 3 }] };\n",
        "if (a) { b() } else { c() }\n",
        "// ((((( ------ ===== {{{{{ `\n",
        "/* ((( ''' */\n",
        "s = '((((' + \"[[[[\" + `{{{{`\n",
        "r = /[(/]\\/(((/.test(x)\n",
        "return x\n",
        "case 1: a(); break;\n",
        "export type T<A> = A extends B ? C : D;\n",
        "t = `${a}${b(`${c}`)}`\n",
    ] {
        assert_eq!(too_deep(&line.repeat(20_000), true), None, "{line}");
    }
    assert_eq!(too_deep(&format!("[{}]", "1, ".repeat(100_000)), true), None);
    assert_eq!(too_deep(&format!("x = {{{}}}", "a: { b: [c] }, ".repeat(100_000)), true), None);
}

#[test]
fn broken_text_ends_too() {
    for text in ["'", "`${", "/*", "/[", "\\", "}}}}", "`${`${`", "\u{0}", "é`"] {
        assert_eq!(too_deep(text, true), None, "{text}");
    }
}

#[test]
fn a_line_that_ends_ends_no_statement_that_goes_on() {
    for unit in [
        "if(a)\n",
        "while(a)\n",
        "for(;;)\n",
        "if(a)b\nelse\n",
        "if(a){}\nelse\n",
        "if(a)b;else ",
        "if(a)b;\nelse\n",
        "do\n",
        "x=a\nin ",
        "{} in ",
        "{}\ninstanceof ",
    ] {
        let text = unit.repeat(2_000) + " b()";
        for is_typescript in [true, false] {
            assert_eq!(refusal(&text, is_typescript), Some(Refusal::TooDeep), "{unit:?}");
        }
    }
    for (unit, close) in [
        ("new\n", "A"),
        ("await\n", "a"),
        ("{}as", " any"),
        ("<T,U>(a)=>", "1"),
        ("<T,\nU\nextends X>(a)=>", "1"),
        ("A<B,", "C"),
        ("keyof\n", "A"),
        ("{}extends{}?1:", "1"),
    ] {
        let text = format!("type X = {}{close};", unit.repeat(2_000));
        assert_eq!(refusal(&text, true), Some(Refusal::TooDeep), "{unit:?}");
    }
}

#[test]
fn no_literal_hides_what_follows_it() {
    let tower = "(".repeat(2_000);
    for before in [
        "if(a)/'/;x=",
        "if(a)/`/;x=",
        "for await(a of b)/`/;x=",
        "a.if(b)/1;`/`;x=",
        "x++/",
        "1./",
        "(a)++/",
        "if\u{a0}(a)/`/;x=",
        "if\u{b}(a)/`/;x=",
        "//\r",
        "// \u{2028}",
        "#!`\n",
        "\u{feff}#!`\n",
        "<!--`\n",
        "\n-->`\n",
        "'\\\r\n';",
        "i\\u0066(a)/`/;x=",
        "i\\u{66}(a)/`/;x=",
        "x={}/`/;y=",
        "function f(){}/`/;x=",
        "a!/",
        "f<T>/",
        "yield/`/+",
        "x=()=>{}\n/`/;x=",
        "{a:1}/`/;x=",
        "`${a}`/",
        "/[/`]/;x=",
        "case/'/:",
    ] {
        // In a module there are no such comments: the template of the line goes on to the end.
        let is_script_only = ["<!--", "\n-->"].iter().any(|comment| before.starts_with(comment));
        for is_typescript in [true, false].into_iter().filter(|is_typescript| !(*is_typescript && is_script_only)) {
            assert!(refusal(&format!("{before}{tower}"), is_typescript).is_some(), "{before:?} {is_typescript}");
        }
    }
}

#[test]
fn clear_sources_are_taken() {
    for text in [
        "if (a) { b() }\n/'/.test(c)",
        "x = a / b / c; y = (a) / 2 + '/'",
        "function f() {} /a+/.test(b)",
        "x = { a: 1 } / 2",
        "return /[\"'`]/.test(x) ? a[0] / b['c'] : `${d / e}`",
        "a = b ? /`/ : /'/; c = [/\"/, !/'/, x => /`/]",
        "do { a() } while (b) /'/.test(c)",
        "for (const a of b) { c() }",
        "a.of / b; c.return / d; e.if(f) / g['h']",
        "x = a <!--b\n",
    ] {
        for is_typescript in [true, false] {
            assert_eq!(too_deep(text, is_typescript), None, "{text}");
        }
    }
    let cases = format!("switch (a) {{\n{}b() }}", "case 1:\n".repeat(5_000));
    assert_eq!(too_deep(&cases, false), None);
    let branches = "if (a) b();\nelse c();\n".repeat(5_000);
    assert_eq!(too_deep(&branches, false), None);
    let compared = "const x = a < b\nlet y = c\n".repeat(5_000);
    assert_eq!(too_deep(&compared, true), None);
}

fn refusal(text: &str, is_typescript: bool) -> Option<Refusal> {
    too_deep(text, is_typescript).map(|(_, refusal)| refusal)
}
