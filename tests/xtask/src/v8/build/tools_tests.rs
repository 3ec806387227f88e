use tempfile::TempDir;

use super::*;
use crate::v8::machine::{Wishes, tests::places};
use crate::v8::runner::fake::Fake;

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
}

fn llvm(base: &Path) {
    for name in ["clang", "clang++", "llvm-ar", "llvm-nm", "llvm-readelf", "ld.lld"] {
        touch(&base.join("bin").join(name));
    }
}

/// Clang says where its runtime is.
fn with_runtime(folder: &TempDir, fake: Fake) -> Fake {
    let builtins = folder.path().join("libclang_rt.builtins-x86_64.a");
    touch(&builtins);
    fake.good(&["--rtlib=compiler-rt"], &format!("{}\n", builtins.display()))
}

fn machine<'a>(folder: &TempDir, runner: &'a Fake) -> Machine<'a> {
    Machine { runner, wishes: Wishes::default(), places: places(folder.path()) }
}

#[test]
fn the_newest_clang_with_all_its_tools_is_taken() {
    let folder = TempDir::new().unwrap();
    let system = places(folder.path()).system;
    for version in ["19", "22", "21"] {
        llvm(&system.join(format!("usr/lib/llvm-{version}")));
    }
    llvm(&system.join("usr/lib/llvm-23"));
    fs::remove_file(system.join("usr/lib/llvm-23/bin/ld.lld")).unwrap();
    let runner = with_runtime(&folder, Fake::default())
        .good(&["llvm-19/bin/clang"], "clang version 19.1.7")
        .good(&["llvm-21/bin/clang"], "Ubuntu clang version 21.1.0")
        .good(&["llvm-22/bin/clang"], "Debian clang version 22.1.8 (1~deb12u1)")
        .good(&["mine/bin/clang"], "clang version 21.0.1");
    let mut machine = machine(&folder, &runner);
    let base = system.join("usr/lib/llvm-22");
    let found = find_clang(&machine, None).unwrap();
    assert_eq!((found.base, found.version, found.libraries), (base, 22, None));

    let mine = folder.path().join("mine");
    llvm(&mine);
    machine.wishes.clang = Some(mine.clone());
    assert_eq!(find_clang(&machine, None).map(|clang| clang.base), Some(mine));
}

#[test]
fn a_clang_without_its_runtime_is_as_good_as_none() {
    let folder = TempDir::new().unwrap();
    llvm(&places(folder.path()).system.join("usr/lib/llvm-22"));
    let runner = Fake::default()
        .good(&["--rtlib=compiler-rt"], "/nowhere/libclang_rt.builtins-x86_64.a\n")
        .good(&["clang --version"], "clang version 22.1.8");
    assert_eq!(find_clang(&machine(&folder, &runner), None), None);
}

#[test]
fn an_old_clang_is_as_good_as_none() {
    let folder = TempDir::new().unwrap();
    llvm(&places(folder.path()).system.join("usr/lib/llvm-14"));
    let runner = Fake::default().good(&["clang --version"], "Debian clang version 14.0.6");
    let missing = find(&machine(&folder, &runner), None).unwrap_err();
    assert_eq!(missing, [Tool::Clang, Tool::Ninja, Tool::Python]);
}

#[test]
fn what_is_unpacked_aside_runs_on_the_libraries_beside_it() {
    let folder = TempDir::new().unwrap();
    let aside = folder.path().join("aside");
    llvm(&aside.join("usr/lib/llvm-22"));
    touch(&aside.join("usr/lib/x86_64-linux-gnu/libLLVM.so.22.1"));
    touch(&aside.join("usr/bin/ninja"));
    touch(&places(folder.path()).system.join("usr/bin/python3"));
    let runner = with_runtime(&folder, Fake::default());
    let runner = runner.good(&["clang --version"], "clang version 22.1.8").good(&["--version"], "1");
    let tools = find(&machine(&folder, &runner), Some(&aside)).unwrap();
    assert_eq!(tools.clang.libraries, Some(aside.join("usr/lib/x86_64-linux-gnu")));
    assert_eq!(tools.ninja, aside.join("usr/bin/ninja"));
    assert_eq!(tools.python, places(folder.path()).system.join("usr/bin/python3"));
}

#[test]
fn off_the_debian_family_the_packages_are_named_and_nothing_is_fetched() {
    let folder = TempDir::new().unwrap();
    let release = places(folder.path()).system.join("etc/os-release");
    touch(&release);
    fs::write(&release, "ID=arch\n").unwrap();
    let runner = Fake::default();
    let error = gather(&machine(&folder, &runner)).unwrap_err().to_string();
    let start = "missing: Clang 21 or newer with lld, LLVM's tools and compiler-rt, Ninja, Python 3. Install the packages: pacman -S";
    assert!(error.starts_with(start), "{error}");
    assert!(!runner.ran(&["apt"]));
}

#[test]
fn versions_of_clang_are_read_from_what_it_says() {
    assert_eq!(version_of("Debian clang version 22.1.8 (1~deb12u1)\nTarget: x"), Some(22));
    assert_eq!(version_of("clang version 23git"), Some(23));
    assert_eq!(version_of("gcc (Debian) 12.2.0"), None);
}
