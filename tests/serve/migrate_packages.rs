//! `bylaw migrate jspolicy` of policies that import npm packages: what is written asks for them, and runs at once.

use std::fs;

use serde_json::{Value, json};

use super::command::{Ended, bylaw_with};
use super::folder::{Folder, script};
use super::registry_server::{Project, denial, name, registry};

fn migrated(project: &Project) -> Ended {
    let (manifests, out) = (project.folder.argument("in"), project.folder.argument("out"));
    let own = project.environment();
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    bylaw_with(&["migrate", "jspolicy", &manifests, "--out", &out], &own, "")
}

fn package_json(folder: &Folder, path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.file(path)).unwrap()).unwrap()
}

#[test]
fn packages_of_a_registry_are_brought_along() {
    let Some(registry) = registry() else { return };
    let (word, words, old) = (name("word"), name("@scope/words"), name("old"));
    registry.publish(&word, "1.0.0", &json!({}), &[("index.js", "module.exports = () => 'one';")]);
    registry.publish(
        &word,
        "2.0.0",
        &json!({}),
        &[
            ("index.js", "module.exports = () => 'two';"),
            ("index.d.ts", "declare function word(): string;\nexport = word;"),
        ],
    );
    let needs = json!({"dependencies": {word.clone(): "^1.0.0"}});
    let run = format!("touch {}", std::env::temp_dir().join(&old).display());
    let scripts = json!({"scripts": {"postinstall": run}});
    registry.publish(
        &words,
        "3.0.0",
        &needs,
        &[("index.js", &format!("module.exports = () => require('{word}')() + ' of words';"))],
    );
    registry.publish(&old, "1.0.0", &scripts, &[("index.js", "exports.loud = (text) => text.toUpperCase();")]);
    let first = format!(
        "import word from \"{word}\";\nimport words from \"{words}\";\nif (request.object.metadata.name === 'x') deny(`${{word()}} and ${{words()}}`);"
    );
    let second =
        format!("const {{ loud }} = require('{old}');\nif (!request.object.metadata.labels) deny(loud('no b'));");
    let third = format!("import word from \"{word}\";\nwarn(word());");
    let project = Project::new(
        registry,
        &[
            ("in/a.yaml", &script("first", &format!("  dependencies: {{{word}: ^2.0.0, \"{words}\": 3.x}}\n"), &first)),
            ("in/b.yaml", &script("second", &format!("  dependencies: {{{old}: \"*\"}}\n"), &second)),
            ("in/c.yaml", &script("third", &format!("  dependencies: {{{word}: ^1.0.0}}\n"), &third)),
        ],
    );
    let ended = migrated(&project);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!std::env::temp_dir().join(&old).exists(), "a script of a package was run");

    let top = package_json(&project.folder, "out/package.json");
    assert_eq!(top["dependencies"], json!({word.clone(): "^2.0.0", words: "3.x", old.clone(): "*"}));
    let own = package_json(&project.folder, "out/third.policies.example/package.json");
    assert_eq!(own["dependencies"], json!({word.clone(): "^1.0.0"}));
    let module = fs::read_to_string(project.folder.file("out/second.policies.example/policy.ts")).unwrap();
    assert!(module.contains(&format!("import {{ loud }} from \"{old}\";")), "{module}");
    let declared =
        |policy: &str| fs::read_to_string(project.folder.file(&format!("out/{policy}.policies.example/packages.d.ts")));
    assert!(declared("second").unwrap().contains(&format!("declare module \"{old}\";")));
    assert!(!declared("first").unwrap().contains(&format!("declare module \"{word}\";")), "it brings its types");

    // Nobody is asked for them any more.
    project.folder.write(".npmrc", "registry=http://127.0.0.1:9/\n");
    fs::remove_dir_all(project.folder.file("in")).unwrap();
    let told = denial(&project.review_with("out", &[]));
    assert_eq!(told, "[first.policies.example] two and one of words; [second.policies.example] NO B");
}
