use super::*;
use crate::bundle::artifact::record::PolicyRecord;

fn artifact() -> Artifact {
    let policy =
        PolicyRecord { name: "a.b.c".to_owned(), title: Some("one\u{2028}two".to_owned()), ..Default::default() };
    Artifact {
        script: "(function () {\n  return 1;\n})();\n".to_owned(),
        source_map: Some(r#"{"version":3}"#.to_owned()),
        record: Record { engine: "0.1.0".to_owned(), policies: vec![policy], ..Record::default() },
        signatures: Vec::new(),
    }
}

#[test]
fn what_is_written_is_read_again_and_always_the_same_bytes() {
    for (script, map) in [("x;\n", None), ("x", Some("{}")), ("a\n//# bylaw={}\n//# more", Some("{}")), ("", None)] {
        let whole = Artifact { script: script.to_owned(), source_map: map.map(str::to_owned), ..artifact() };
        let text = whole.to_text().unwrap();
        assert_eq!(text, whole.clone().to_text().unwrap());
        assert_eq!(Artifact::parse(&text).unwrap(), whole, "{text}");
    }
}

#[test]
fn no_character_of_the_record_ends_its_line() {
    let text = artifact().to_text().unwrap();
    assert!(text.contains("one\\u2028two") && !text.contains('\u{2028}'), "{text}");
}

#[test]
fn any_changed_byte_is_seen() {
    let text = artifact().to_text().unwrap();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(Artifact::parse(&changed).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_bundle_that_was_cut_short_is_none_wherever_it_was_cut() {
    let text = artifact().to_text().unwrap();
    for length in 0..text.len() {
        assert!(Artifact::parse(&text[..length]).is_err(), "{length} bytes");
    }
    assert!(Artifact::parse(&(text + "\n")).is_err());
}

#[test]
fn what_is_no_bundle_says_so() {
    for text in ["", "export default 1;", "// bylaw-bundle", "\u{feff}// bylaw-bundle/v1 sha256:00\n"] {
        assert!(matches!(Artifact::parse(text), Err(ArtifactError::NotABundle(_))), "{text:?}");
    }
    let newer = Artifact::parse("// bylaw-bundle/v2 sha256:00\n").unwrap_err().to_string();
    assert!(newer.contains("version that this Bylaw does not know"), "{newer}");
    let told = Artifact::parse("// bylaw-bundle/v1 sha256:\u{1b}[31m00\nx").unwrap_err().to_string();
    assert!(told.contains("it says 31m00") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_record_of_another_shape_is_refused() {
    let body = "x\n//# bylaw={\"engine\":\"0\",\"policies\":[],\"extra\":1}\n";
    let text = format!("{START}{}\n{body}", content_hash(body));
    assert!(Artifact::parse(&text).unwrap_err().to_string().contains("unknown field `extra`"));
}

#[test]
fn a_huge_file_and_one_without_an_end_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.js");
    File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert_eq!(Artifact::read(&path), Err(ArtifactError::TooLarge(MAX_BYTES)));
    assert!(matches!(Artifact::read(Path::new("/dev/zero")), Err(ArtifactError::Unreadable(_))));
    assert!(!is_bundle(Path::new("/dev/zero")) && !is_bundle(&path) && !is_bundle(folder.path()));
    std::fs::write(&path, artifact().to_text().unwrap()).unwrap();
    assert!(is_bundle(&path));
}
