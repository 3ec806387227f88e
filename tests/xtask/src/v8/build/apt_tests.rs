use tempfile::TempDir;

use super::*;
use crate::v8::build::distribution::Family;
use crate::v8::machine::{Wishes, tests::places};
use crate::v8::runner::fake::Fake;

const FOUND: &str = "clang-19 - compiler\nclang-22 - compiler\nclang-23 - compiler\nlld-19 - linker\nlld-22 - linker\n\
                     llvm-19 - tools\nllvm-22 - tools\nlibclang-rt-19-dev - rt\nlibclang-rt-22-dev - rt\n";
const SIMULATED: &str = "Inst libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/oldstable-security [amd64])\n\
                         Inst lld-22 [1.0] (1:22.1.8-1~deb12u1 Debian-Security:12 [amd64])\nConf lld-22 (1:22)\n";

fn machine<'a>(folder: &TempDir, runner: &'a Fake, may_install: bool) -> Machine<'a> {
    Machine { runner, wishes: Wishes { may_install, ..Wishes::default() }, places: places(folder.path()) }
}

/// apt and dpkg as far as they matter here: what is downloaded comes to lie in the current folder.
fn apt() -> Fake {
    let download = |command: &Command| {
        let packages = command.get_args().filter_map(|word| word.to_str()?.split_once('='));
        for (name, version) in packages {
            let file = format!("{name}_{}_amd64.deb", version.replace(':', "%3a"));
            fs::write(command.get_current_dir().unwrap().join(file), "").unwrap();
        }
    };
    let unpack = |command: &Command| {
        let words: Vec<_> = command.get_args().collect();
        let name = Path::new(words[1]).file_name().unwrap();
        fs::write(Path::new(words[2]).join(name), "").unwrap();
    };
    Fake::default()
        .good(&["-qq update"], "")
        .good(&["apt-cache"], FOUND)
        .good(&["--simulate"], SIMULATED)
        .does(&["-qq download"], "", download)
        .does(&["dpkg -x"], "", unpack)
}

#[test]
fn without_consent_packages_are_unpacked_aside_even_for_root() {
    let folder = TempDir::new().unwrap();
    let runner = apt().good(&["id -u"], "0\n");
    let machine = machine(&folder, &runner, false);
    let root = fetch(&machine, &[Tool::Clang, Tool::Ninja]).unwrap().unwrap();
    assert_eq!(root, root_aside(&machine));
    assert!(root.join("lld-22_1%3a22.1.8-1~deb12u1_amd64.deb").is_file());
    assert!(runner.ran(&["--simulate", "install clang-22 lld-22 llvm-22 libclang-rt-22-dev ninja-build"]));
    assert!(!runner.ran(&["--yes"]));
    let every_apt_call_is_beside =
        runner.calls.borrow().iter().all(|call| !call.starts_with("apt") || call.contains(" -c "));
    assert!(every_apt_call_is_beside);
    let configuration = fs::read_to_string(machine.places.workshop().join("apt/apt.conf")).unwrap();
    assert!(configuration.contains("Dir::State::lists") && configuration.contains("#clear APT::Update::Post-Invoke;"));
}

#[test]
fn with_consent_root_installs_and_others_unpack_aside() {
    let folder = TempDir::new().unwrap();
    let runner =
        Fake::default().good(&["id -u"], "0\n").good(&["--yes"], "").good(&["apt-cache"], FOUND).good(&["update"], "");
    assert_eq!(fetch(&machine(&folder, &runner, true), &[Tool::Clang, Tool::Python]).unwrap(), None);
    assert!(runner.ran(&["apt-get install --yes", "clang-22 lld-22 llvm-22 libclang-rt-22-dev python3"]));

    let runner = apt().good(&["id -u"], "1000\n");
    assert!(fetch(&machine(&folder, &runner, true), &[Tool::Ninja]).unwrap().is_some());
    assert!(!runner.ran(&["--yes"]));
}

#[test]
fn a_release_without_a_clang_that_is_new_enough_is_said_so() {
    let folder = TempDir::new().unwrap();
    let runner = Fake::default().good(&["update"], "").good(&["apt-cache"], "clang-19 - c\nlld-19 - l\nllvm-19 - t\n");
    let error = fetch(&machine(&folder, &runner, false), &[Tool::Clang]).unwrap_err().to_string();
    assert!(error.contains("no Clang 21 or newer"), "{error}");
}

#[test]
fn the_newest_clang_counts_that_has_a_linker_and_tools() {
    assert_eq!(newest_clang(FOUND), Some(22));
    assert_eq!(newest_clang("clang-19 - c\nlld-19 - l\nllvm-19 - t\n"), None);
}

#[test]
fn a_simulated_installation_is_read() {
    assert_eq!(to_install(SIMULATED), ["libllvm22=1:22.1.8-1~deb12u1", "lld-22=1:22.1.8-1~deb12u1"]);
    assert_eq!(to_install("lld-22 is already the newest version\n"), <[String; 0]>::default());
}

#[test]
fn gn_of_the_newest_suite_runs_on_that_suites_own_libraries() {
    let folder = TempDir::new().unwrap();
    let unpack = |command: &Command| {
        let root = Path::new(command.get_args().last().unwrap()).to_owned();
        for file in ["usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "usr/bin/gn"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
    };
    let runner = Fake::default().good(&["indextargets"], "Debian Debian http://mirror.example.com/debian/\n").does(
        &["dpkg -x"],
        "",
        unpack,
    );
    let runner = with_apt(runner);
    let machine = machine(&folder, &runner, true);
    let suite = Family::Debian { is_ubuntu: false }.newest_suite().unwrap();
    let gn = newest_gn(&machine, &suite).unwrap();
    let text = fs::read_to_string(&gn).unwrap();
    assert!(text.contains("ld-linux-x86-64.so.2' --library-path '") && text.contains("usr/bin/gn' \"$@\""), "{text}");
    let sources = fs::read_to_string(machine.places.workshop().join("apt/sid/sources.list")).unwrap();
    assert_eq!(sources, "deb http://mirror.example.com/debian/ sid main\n");

    let calls = runner.calls.borrow().len();
    assert_eq!(newest_gn(&machine, &suite).unwrap(), gn);
    assert_eq!(runner.calls.borrow().len(), calls);
}

fn with_apt(fake: Fake) -> Fake {
    let download = |command: &Command| {
        fs::write(command.get_current_dir().unwrap().join("generate-ninja_2_amd64.deb"), "").unwrap();
    };
    fake.good(&["-qq update"], "").good(&["--simulate"], "Inst generate-ninja (2 Debian:sid [amd64])\n").does(
        &["-qq download"],
        "",
        download,
    )
}
