use super::*;
use crate::bundle::artifact::record::Record;

fn artifact(script: &str) -> Artifact {
    let record = Record { engine: "0.1.0".to_owned(), ..Record::default() };
    Artifact { script: script.to_owned(), source_map: None, record, signatures: Vec::new() }
}

fn layout() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("oci");
    write_layout(&folder, &artifact("one;")).unwrap();
    (root, folder)
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push((path.clone(), fs::read(&path).unwrap())) }
    }
    found.sort();
    found
}

/// Rewrites the index by text.
fn index_with(folder: &Path, change: impl Fn(String) -> String) -> String {
    let path = folder.join(INDEX);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    layers(folder).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_found_again_and_always_the_same_bytes() {
    let (root, folder) = layout();
    let found = layers(&folder).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(Artifact::read(&found[0]).unwrap(), artifact("one;"));
    let before = files(&folder);
    assert_eq!(before.len(), 5, "mark, index, manifest, empty config, layer");
    write_layout(&folder, &artifact("one;")).unwrap();
    assert_eq!(files(&folder), before);
    let other = root.path().join("other");
    write_layout(&other, &artifact("one;")).unwrap();
    let contents = |folder: &Path| files(folder).into_iter().map(|(_, content)| content).collect::<Vec<_>>();
    assert_eq!(contents(&other), contents(&folder));
}

#[test]
fn a_new_bundle_takes_the_place_of_the_old_one() {
    let (_root, folder) = layout();
    let old = layers(&folder).unwrap();
    write_layout(&folder, &artifact("two;")).unwrap();
    let new = layers(&folder).unwrap();
    assert_eq!(Artifact::read(&new[0]).unwrap().script, "two;");
    assert!(new.len() == 1 && !old[0].exists());
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("thesis.txt"), "").unwrap();
    let error = write_layout(root.path(), &artifact("x")).unwrap_err().to_string();
    assert!(error.contains("holds something else"), "{error}");
    assert_eq!(files(root.path()).len(), 1);
}

#[test]
fn a_digest_that_leads_out_of_the_layout_is_refused() {
    let (root, folder) = layout();
    fs::write(root.path().join("secret"), "x").unwrap();
    let digest = |text: &str| text.split("sha256:").nth(1).unwrap()[..64].to_owned();
    for path in ["sha256:../../../secret", "sha256:/etc/passwd", "sha512:00", "sha256:", "../secret"] {
        let text = index_with(&folder, |text| {
            let whole = format!("sha256:{}", digest(&text));
            text.replace(&whole, path)
        });
        assert!(text.contains("is no digest"), "{path}: {text}");
        write_layout_again(&folder);
    }
}

/// A damaged layout is not written over: a new one in its place is.
fn write_layout_again(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    write_layout(folder, &artifact("one;")).unwrap();
}

#[test]
fn a_blob_that_is_not_what_its_digest_says_is_refused() {
    let (_root, folder) = layout();
    let layer = layers(&folder).unwrap().remove(0);
    let text = fs::read_to_string(&layer).unwrap();
    for tampered in [text.replace("one;", "two;"), text[..text.len() - 1].to_owned(), String::new()] {
        fs::write(&layer, tampered).unwrap();
        assert!(layers(&folder).unwrap_err().to_string().contains("is not what its digest and size say"));
    }
    fs::remove_file(&layer).unwrap();
    assert!(layers(&folder).unwrap_err().to_string().contains("No such file"));
    fs::write(folder.join("elsewhere"), &text).unwrap();
    std::os::unix::fs::symlink(folder.join("elsewhere"), &layer).unwrap();
    assert!(layers(&folder).unwrap_err().to_string().contains("is no file"));
    File::create(folder.join("huge")).unwrap().set_len(MAX_BYTES + 1).unwrap();
    fs::rename(folder.join("huge"), &layer).unwrap();
    assert!(layers(&folder).unwrap_err().to_string().contains("is larger than"));
}

#[test]
fn an_index_of_something_else_or_none_at_all_says_so() {
    let (_root, folder) = layout();
    assert!(index_with(&folder, |_| "{".to_owned()).contains("index.json: EOF"));
    assert!(index_with(&folder, |_| "{}".to_owned()).contains("names no artifact of type"));
    assert!(index_with(&folder, |_| " ".repeat(2 << 20)).contains("larger than"));
    let many = format!(r#"{{"manifests":[{}]}}"#, vec![r#"{"digest":"x","size":0}"#; 300].join(","));
    assert!(index_with(&folder, |_| many.clone()).contains("more than 256"));
    fs::remove_file(folder.join(INDEX)).unwrap();
    assert!(layers(&folder).is_err() && is_layout(&folder));
}
