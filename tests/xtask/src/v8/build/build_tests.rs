use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::v8::machine::{Wishes, tests::places};
use crate::v8::record::Record;
use crate::v8::runner::fake::Fake;
use crate::v8::sources::{Archive, provide};

/// A machine that has every tool, and on which the sources were copied before.
fn desk(folder: &TempDir) -> Places {
    let places = places(folder.path());
    for name in ["clang", "clang++", "llvm-ar", "llvm-nm", "llvm-readelf", "ld.lld"] {
        touch(&places.system.join("usr/lib/llvm-22/bin").join(name));
    }
    for name in ["ninja", "python3", "gn"] {
        touch(&places.system.join("usr/bin").join(name));
    }
    fs::create_dir_all(places.workshop().join("source")).unwrap();
    places
}

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
}

fn machine<'a>(places: &Places, runner: &'a Fake) -> Machine<'a> {
    let wishes = Wishes { may_build: true, ..Wishes::default() };
    Machine { runner, wishes, places: places.clone() }
}

/// Clang says where its runtime is.
fn runtime(out: &Path) -> Fake {
    let builtins = out.with_file_name("libclang_rt.builtins-x86_64.a");
    touch(&builtins);
    Fake::default().good(&["--rtlib=compiler-rt"], &format!("{}\n", builtins.display()))
}

/// Everything up to the compilation.
fn prepared(out: PathBuf) -> Fake {
    runtime(&out)
        .bad(&["curl"], "Could not resolve host")
        .good(&["clang --version"], "Debian clang version 22.1.8 (1)\n")
        .good(&["ninja --version"], "1.11.1\n")
        .good(&["python3 --version"], "Python 3.11.2\n")
        .good(&["sys.executable"], "/nowhere\n")
        .good(&["gn --version"], "2301 (abc)\n")
        .does(&["gn --root"], "", move |_| touch(&out.join("build.ninja")))
}

fn compiles(fake: Fake, out: &Path) -> Fake {
    let library = out.join("obj/librusty_v8.a");
    let packed = out.join("obj/librusty_v8.a.gz");
    fake.does(&["ninja -C"], "[1/2] CXX a.o\n[2/2] AR librusty_v8.a\n", move |_| touch(&library))
        .does(&["gzip --no-name"], "", move |_| fs::write(&packed, "packed").unwrap())
        .good(&["clean --release"], "")
        .good(&["--test hostile"], "")
        .good(&["bylaw --version"], "bylaw 0.1.0 (V8 15.0.245.2, built from source)\n")
}

#[test]
fn a_machine_that_reaches_nothing_builds_tries_keeps_and_tidies_up() {
    let folder = TempDir::new().unwrap();
    let places = desk(&folder);
    let out = places.workshop().join("out");
    let runner = compiles(prepared(out.clone()), &out);
    let archive = provide(&machine(&places, &runner)).unwrap();
    assert!(matches!(archive, Archive::Ready(path) if path == places.cached));
    assert_eq!(fs::read_to_string(&places.cached).unwrap(), "packed");
    let record = Record::read(&places.folder()).unwrap();
    assert!(record.checked && sources::kept(&machine(&places, &runner)).is_ok());
    assert!(!places.workshop().exists());
    assert!(state(&machine(&places, &runner)).is_none());
}

#[test]
fn an_interrupted_compilation_goes_on_without_doing_the_steps_before_again() {
    let folder = TempDir::new().unwrap();
    let places = desk(&folder);
    let out = places.workshop().join("out");
    let runner =
        prepared(out.clone()).bad(&["ninja -C"], "[1/400] CXX a.o\n[123/400] CXX b.o\nninja: interrupted by user");
    let error = format!("{:#}", provide(&machine(&places, &runner)).unwrap_err());
    assert!(error.contains("the compilation failed") && error.contains("interrupted by user"), "{error}");
    assert!(error.contains("RUSTY_V8_ARCHIVE: not set") && error.contains("What to do otherwise"), "{error}");
    let told = state(&machine(&places, &runner)).unwrap();
    assert!(told.starts_with("interrupted: the next build goes on with it, 123 of 400 steps done"), "{told}");

    let runner = compiles(prepared(out.clone()), &out);
    provide(&machine(&places, &runner)).unwrap();
    assert!(runner.ran(&["ninja -C"]) && !runner.ran(&["gn --root"]) && !runner.ran(&["metadata"]));
}

#[test]
fn a_failed_compilation_shows_the_step_that_failed_and_names_the_log() {
    let folder = TempDir::new().unwrap();
    let places = desk(&folder);
    let said = "[1/4] CXX a.o\na warning\n[2/4] CXX b.o\nFAILED: b.o\nb.cc:1: error: no such type\n";
    let runner = prepared(places.workshop().join("out")).bad(&["ninja -C"], said);
    let error = format!("{:#}", build(&machine(&places, &runner)).unwrap_err());
    assert!(error.contains("build.log") && error.contains("FAILED: b.o\nb.cc:1: error: no such type"), "{error}");
    assert!(!error.contains("a warning"), "{error}");
}

#[test]
fn tidying_that_was_interrupted_is_done_the_next_time() {
    let folder = TempDir::new().unwrap();
    let places = desk(&folder);
    let runner = Fake::default();
    let leftover = places.folder().join("build.removed/out");
    fs::create_dir_all(&leftover).unwrap();
    tidy(&machine(&places, &runner)).unwrap();
    let kept = fs::read_dir(places.folder()).unwrap().count();
    assert_eq!(kept, 0);
    fs::create_dir_all(&leftover).unwrap();
    tidy(&machine(&places, &runner)).unwrap();
    assert!(!leftover.exists());
}

#[test]
fn other_arguments_configure_anew() {
    let folder = TempDir::new().unwrap();
    let places = desk(&folder);
    let out = places.workshop().join("out");
    let runner = prepared(out.clone()).bad(&["ninja -C"], "ninja: interrupted by user");
    build(&machine(&places, &runner)).unwrap_err();
    let mut other = machine(&places, &runner);
    other.wishes.gn_arguments = Some("v8_enable_maglev=false".to_owned());
    build(&other).unwrap_err();
    let configured = runner.calls.borrow().iter().filter(|call| call.contains("gn --root")).count();
    assert_eq!(configured, 2);
}

#[test]
fn a_gn_that_is_too_old_is_said_so_where_no_newer_one_can_be_fetched() {
    let folder = TempDir::new().unwrap();
    let places = desk(&folder);
    touch(&places.system.join("etc/os-release"));
    fs::write(places.system.join("etc/os-release"), "ID=fedora\n").unwrap();
    let runner = runtime(&places.workshop().join("out"))
        .good(&["clang --version"], "clang version 22.1.8\n")
        .bad(&["gn --root"], "ERROR at //build/toolchain: unknown substitution pattern")
        .good(&["--version"], "1\n")
        .good(&["sys.executable"], "/nowhere\n");
    let error = format!("{:#}", build(&machine(&places, &runner)).unwrap_err());
    assert!(error.contains("GN of 2026") && error.contains("unknown substitution pattern"), "{error}");
    assert!(error.contains("dnf install"), "{error}");
}

#[test]
fn another_machines_library_is_not_built() {
    let folder = TempDir::new().unwrap();
    let mut places = places(folder.path());
    places.target = "aarch64-unknown-linux-gnu".to_owned();
    let error = build(&machine(&places, &Fake::default())).unwrap_err().to_string();
    assert!(error.contains("only for the machine itself (x86_64-unknown-linux-gnu)"), "{error}");
    places.host = "riscv64gc-unknown-linux-gnu".to_owned();
    places.target.clone_from(&places.host);
    assert!(build(&machine(&places, &Fake::default())).is_err());
}

#[test]
fn the_crates_own_bindings_stand_in_for_those_of_a_mirror_that_is_away() {
    let folder = TempDir::new().unwrap();
    let places = places(folder.path());
    let package = folder.path().join("registry/v8-150.4.0");
    let bindings = package.join("gen/src_binding_simdutf_release_x86_64-unknown-linux-gnu.rs");
    touch(&bindings);
    fs::write(&bindings, "extern").unwrap();
    let manifest = package.join("Cargo.toml");
    let metadata = format!(r#"{{"name":"v8","version":"150.4.0","manifest_path":"{}"}}"#, manifest.display());
    let runner = Fake::default().good(&["metadata"], &metadata);
    let mut with_mirror = machine(&places, &runner);
    place_bindings(&with_mirror).unwrap();
    assert!(runner.calls.borrow().is_empty());
    with_mirror.wishes.mirror = Some("https://m.example.com".to_owned());
    place_bindings(&with_mirror).unwrap();
    let name = "https___m_example_com_v150_4_0_src_binding_simdutf_release_x86_64_unknown_linux_gnu_rs";
    assert_eq!(fs::read_to_string(places.cached.with_file_name(name)).unwrap(), "extern");
}
