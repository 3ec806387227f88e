use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::super::testing::{packed, tarball};
use super::*;

fn names(files: &Files) -> Vec<String> {
    files.texts.keys().map(|path| path.display().to_string()).collect()
}

fn told(packed: &[u8]) -> String {
    unpack("a@1.0.0", packed, &Caps::default()).unwrap_err().to_string()
}

/// A tarball with one entry that no tool would write.
fn with_entry(kind: EntryType, name: &[u8], link: &str) -> Vec<u8> {
    let mut header = Header::new_old();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(0);
    if !link.is_empty() {
        header.set_link_name(link).unwrap();
    }
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, io::empty()).unwrap();
    packed(&builder.into_inner().unwrap())
}

#[test]
fn files_are_found_without_the_folder_they_are_in() {
    let files = unpack("a", &tarball(&[("package.json", "{}"), ("lib/a.js", "1")]), &Caps::default()).unwrap();
    assert_eq!(names(&files), ["lib/a.js", "package.json"]);
    assert_eq!(&*files.texts[Path::new("lib/a.js")], b"1");
}

#[test]
fn what_cannot_be_imported_is_not_kept_and_of_declarations_only_the_name() {
    let files = [("README.md", "# a"), ("a.d.ts", "export {}"), ("a.js", "1"), ("a.js.map", "{}"), ("a.node", "x")];
    let files = unpack("a", &tarball(&files), &Caps::default()).unwrap();
    assert_eq!(names(&files), ["a.d.ts", "a.js"]);
    assert!(files.texts[Path::new("a.d.ts")].is_empty());
}

#[test]
fn names_that_lead_out_are_refused() {
    for (name, why) in [
        (&b"package/../../etc/cron.d/x.js"[..], "leads out of the package"),
        (b"../x.js", "leads out of the package"),
        (b"/etc/x.js", "is an absolute path"),
        (b"package\\..\\x.js", "leads elsewhere"),
        (b"package/\x1b[2J.js", "leads elsewhere"),
        (b"x.js", "is in no folder"),
        (b"\xff/x.js", "not UTF-8"),
    ] {
        let told = told(&with_entry(EntryType::Regular, name, ""));
        assert!(told.contains("`a@1.0.0`: its tarball is refused") && told.contains(why), "{told}");
    }
    let deep = format!("package/{}x.js", "d/".repeat(32));
    assert!(told(&with_entry(EntryType::Regular, deep.as_bytes(), "")).contains("in more than 32 folders"));
}

#[test]
fn links_and_devices_are_refused() {
    let link = told(&with_entry(EntryType::Symlink, b"package/a.js", "/etc/passwd"));
    assert!(link.contains("`package/a.js` is a link"), "{link}");
    assert!(told(&with_entry(EntryType::Link, b"package/a.js", "package/b.js")).contains("is a link"));
    assert!(told(&with_entry(EntryType::Fifo, b"package/a.js", "")).contains("is not a file"));
    assert!(told(&with_entry(EntryType::Char, b"package/a.js", "")).contains("is not a file"));
}

#[test]
fn a_bomb_is_given_up_before_it_is_in_memory() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = Header::new_ustar();
    header.set_path("package/a.js").unwrap();
    header.set_size(1 << 30);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    for _ in 0..1_024 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let told = told(&encoder.finish().unwrap());
    assert!(told.contains("as decompression bombs do, exceed the limit of "), "{told}");
}

#[test]
fn files_bytes_and_the_tarball_itself_are_counted() {
    let many: Vec<(String, &str)> = (0..20).map(|index| (format!("{index}.js"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let packed = tarball(&many);
    let told = |caps: &Caps| unpack("a", &packed, caps).unwrap_err().to_string();
    assert!(told(&Caps { files: 19, ..Caps::default() }).contains("its files exceed the limit of 19"));
    assert!(told(&Caps { unpacked: 9_000, ..Caps::default() }).contains("unpacks to exceed the limit of 9000"));
    assert!(told(&Caps { packed: 20, ..Caps::default() }).contains("the bytes of its tarball exceed the limit of 20"));
}

#[test]
fn damage_is_an_error_of_one_line() {
    let good = tarball(&[("a.js", "1")]);
    for bad in [&b""[..], b"nonsense", &good[..good.len() / 2], &packed(b"not a tar archive")] {
        let told = told(bad);
        assert!(told.contains("its tarball is refused") && !told.contains('\n'), "{told}");
    }
}
