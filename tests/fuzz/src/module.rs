//! One source text on its way through the bundler: scanned, linked, linted, and led back through its source map.

use std::path::Path;

use bylaw::bundle::{
    BundleError, Language, Linked, content_hash, inline_script, line_map, link_inline, locate, module_state, relocate,
    scan,
};

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for name in ["p.ts", "p.js", "p.cjs"] {
        if let Err(error) = scan(name, Path::new(name), text) {
            refused(&error);
        }
    }
    let inline = inline_script("p.yaml", text);
    let typescript = link_inline("p.ts", text, Language::TypeScript);
    let javascript = link_inline("p.js", text, Language::JavaScript);
    for linked in [inline, typescript, javascript] {
        match linked {
            Ok(linked) => holds(text, &linked),
            Err(error) => refused(&error),
        }
    }
}

fn holds(text: &str, linked: &Linked) {
    assert_eq!(linked.hash, content_hash(&linked.script));
    assert!(linked.inputs.is_empty(), "inline source has no files");
    // What the linker made is a script that parses, whatever it was made of.
    if let Err(error) = scan("linked.cjs", Path::new("linked.cjs"), &linked.script) {
        assert!(error.to_string().contains("nested too deeply"), "{error}\n{}", linked.script);
    }
    if let Err(error) = module_state(linked) {
        refused(&error);
    }
    let places: Vec<(u32, u32)> = (10..).zip(text.lines()).map(|(line, _)| (line, 5)).collect();
    let maps = linked.source_map.iter().flat_map(|map| [Some(map.clone()), relocate(map, "p.yaml", &places)]).flatten();
    for map in maps.chain([line_map("p.yaml", 1, &places)]) {
        for line in 1..=u32::try_from(linked.script.lines().count()).unwrap().min(20) {
            for column in [0, 1, 7, 80] {
                if let Some((place, _)) = locate(&map, line, column) {
                    assert!(place.line > 0 && place.column > 0);
                }
            }
        }
    }
}

fn refused(error: &BundleError) {
    let told = error.to_string();
    assert!(!matches!(error, BundleError::Internal { .. }), "{told}");
    assert!(told.len() < 16 << 10, "the refusal repeats the source: {} bytes", told.len());
    assert!(!told.contains('\u{1b}') && !told.contains('\u{7}'), "{told:?} reaches a terminal");
}
