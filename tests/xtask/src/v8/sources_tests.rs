use std::process::Command;

use tempfile::TempDir;

use super::super::machine::{Wishes, tests::places};
use super::super::record::{health, sha256};
use super::super::runner::fake::Fake;
use super::*;

struct Desk {
    folder: TempDir,
    wishes: Wishes,
}

impl Desk {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), wishes: Wishes::default() }
    }

    fn machine<'a>(&self, runner: &'a Fake) -> Machine<'a> {
        Machine { runner, wishes: self.wishes.clone(), places: places(self.folder.path()) }
    }

    fn write(&self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        assert!(path.starts_with(self.folder.path()));
    }

    /// A library with its checksum in a folder, as `../shared/v8` and what was built here have it.
    fn vouched(&self, folder: &Path, text: &str) {
        let name = places(self.folder.path()).file_name();
        self.write(&folder.join(&name), text);
        let sum = sha256(&folder.join(&name)).unwrap();
        self.write(&folder.join("SHA256SUMS"), &format!("{sum}  {name}\n"));
    }
}

fn origin(machine: &Machine<'_>) -> Origin {
    match health(machine, true).unwrap() {
        Health::Sound(record) => record.origin,
        other => panic!("{other:?}"),
    }
}

fn content(machine: &Machine<'_>) -> String {
    fs::read_to_string(&machine.places.cached).unwrap()
}

/// Upstream cannot be reached.
fn offline() -> Fake {
    Fake::default().good(&["gzip", "--test"], "").bad(&["curl"], "curl: (6) Could not resolve host: github.com")
}

/// Bylaw runs on the library.
fn bears(fake: Fake) -> Fake {
    let version = "bylaw 0.1.0 (V8 15.0.245.2, built from source)\n";
    fake.good(&["clean --release --package v8"], "").good(&["--test hostile"], "").good(&["bylaw --version"], version)
}

fn online() -> Fake {
    let writes = |command: &Command| {
        let words: Vec<_> = command.get_args().collect();
        let at = words.iter().position(|word| *word == "--output").unwrap();
        fs::write(words[at + 1], "upstream's").unwrap();
    };
    Fake::default().good(&["gzip", "--test"], "").does(&["curl"], "", writes)
}

#[test]
fn what_the_user_names_comes_first_and_must_be_there() {
    let mut desk = Desk::new();
    let runner = online();
    desk.wishes.archive = Some("https://example.com/v8.a.gz".to_owned());
    assert!(matches!(provide(&desk.machine(&runner)).unwrap(), Archive::LeftToTheCrate { .. }));
    desk.wishes.archive = Some("/nowhere/v8.a.gz".to_owned());
    let error = provide(&desk.machine(&runner)).unwrap_err().to_string();
    assert!(error.contains("RUSTY_V8_ARCHIVE names /nowhere/v8.a.gz, which is not a file"), "{error}");
    let mine = desk.folder.path().join("mine.gz");
    desk.write(&mine, "mine");
    desk.vouched(&places(desk.folder.path()).shared, "the team's");
    desk.wishes.archive = Some(mine.display().to_string());
    let machine = desk.machine(&runner);
    let Archive::Ready(path) = provide(&machine).unwrap() else { panic!("not ready") };
    assert_eq!((path, content(&machine).as_str(), origin(&machine)), (mine, "mine", Origin::Given));
    assert!(!runner.ran(&["curl"]));
}

#[test]
fn the_crates_cache_comes_before_the_teams_folder_and_that_before_upstream() {
    let desk = Desk::new();
    let runner = online();
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.shared, "the team's");
    desk.write(&machine.places.cached, "cached");
    provide(&machine).unwrap();
    assert_eq!((content(&machine).as_str(), origin(&machine)), ("cached", Origin::Found));

    fs::remove_file(&machine.places.cached).unwrap();
    provide(&machine).unwrap();
    assert_eq!((content(&machine).as_str(), origin(&machine)), ("the team's", Origin::Shared));
    assert!(!runner.ran(&["curl"]));

    fs::remove_file(&machine.places.cached).unwrap();
    fs::remove_dir_all(&machine.places.shared).unwrap();
    provide(&machine).unwrap();
    assert_eq!((content(&machine).as_str(), origin(&machine)), ("upstream's", Origin::Upstream));
}

#[test]
fn a_library_that_is_there_costs_no_program_and_no_reading() {
    let desk = Desk::new();
    let first = online();
    let machine = desk.machine(&first);
    desk.vouched(&machine.places.shared, "the team's");
    provide(&machine).unwrap();
    let runner = Fake::default();
    let Archive::Ready(path) = provide(&desk.machine(&runner)).unwrap() else { panic!("not ready") };
    assert_eq!(path, machine.places.cached);
    assert!(runner.calls.borrow().is_empty());
}

#[test]
fn a_broken_library_is_noticed_by_its_checksum_and_replaced() {
    let desk = Desk::new();
    let runner = offline();
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.shared, "the team's");
    provide(&machine).unwrap();
    desk.write(&machine.places.cached, "the team'$");
    provide(&machine).unwrap();
    assert_eq!((content(&machine).as_str(), origin(&machine)), ("the team's", Origin::Shared));
}

#[test]
fn a_file_of_nobody_that_cannot_be_unpacked_is_replaced() {
    let desk = Desk::new();
    let runner = Fake::default().bad(&["gzip", "--test"], "unexpected end of file");
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.shared, "the team's");
    desk.write(&machine.places.cached, "half of");
    provide(&machine).unwrap();
    assert_eq!(origin(&machine), Origin::Shared);
}

#[test]
fn a_team_library_with_another_checksum_is_not_taken() {
    let desk = Desk::new();
    let runner = offline();
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.shared, "the team's");
    desk.write(&machine.places.shared.join(machine.places.file_name()), "another");
    let Archive::LeftToTheCrate { tried, .. } = provide(&machine).unwrap() else { panic!("ready") };
    assert!(tried.iter().any(|line| line.contains("its SHA-256 is") && line.contains("SHA256SUMS beside it says")));
}

#[test]
fn where_v8_must_not_be_built_the_places_tried_are_told_in_their_order() {
    let desk = Desk::new();
    let runner = offline();
    let machine = desk.machine(&runner);
    let Archive::LeftToTheCrate { tried, mend } = provide(&machine).unwrap() else { panic!("ready") };
    let starts = ["RUSTY_V8_ARCHIVE: not set", "", "", "built from source before: no such file", RELEASES_START];
    assert_eq!(tried.len(), starts.len(), "{tried:?}");
    assert!(tried.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{tried:?}");
    assert!(tried[1].contains(".rusty_v8") && tried[2].contains("shared/v8"), "{tried:?}");
    assert!(tried[4].contains("Could not resolve host: github.com"), "{tried:?}");
    assert!(mend.contains("unset BYLAW_V8_FROM_SOURCE"), "{mend}");
}

const RELEASES_START: &str = "https://github.com/denoland/rusty_v8/releases/download/v150.4.0/";

#[test]
fn what_the_crate_downloaded_itself_is_enough() {
    let desk = Desk::new();
    let runner = offline();
    let machine = desk.machine(&runner);
    let library = own_download(&machine);
    desk.write(&library, "library");
    desk.write(&library.with_extension("sum"), &machine.places.url);
    assert!(matches!(provide(&machine).unwrap(), Archive::Ready(path) if path == library));
    desk.write(&library.with_extension("sum"), "https://github.com/denoland/rusty_v8/releases/download/v149.0.0/x");
    assert!(matches!(provide(&machine).unwrap(), Archive::LeftToTheCrate { .. }));
}

#[test]
fn a_changed_version_in_the_lock_file_is_named() {
    let desk = Desk::new();
    let runner = offline();
    let before = desk.machine(&runner);
    desk.vouched(&before.places.folder(), "mine");
    record::put(&before, kept(&before).unwrap(), Origin::Source).unwrap();
    let mut now = desk.machine(&runner);
    now.places.version = "151.0.0".to_owned();
    now.places.cached = now.places.cached.with_file_name("of_151");
    let Archive::LeftToTheCrate { tried, .. } = provide(&now).unwrap() else { panic!("ready") };
    let told = "Cargo.lock asks for v8 151.0.0 now, and here is that of v8 150.4.0 (built from source)";
    assert!(tried.iter().any(|line| line.contains(told)), "{tried:?}");
}

#[test]
fn what_was_built_here_is_used_again_once_bylaw_has_run_on_it() {
    let mut desk = Desk::new();
    desk.wishes.may_build = true;
    let runner = bears(offline());
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    provide(&machine).unwrap();
    assert!(runner.ran(&["--test hostile"]) && !runner.ran(&["ninja"]) && !runner.ran(&["curl"]));
    assert_eq!((content(&machine).as_str(), origin(&machine)), ("mine", Origin::Source));
    let again = Fake::default();
    provide(&desk.machine(&again)).unwrap();
    assert!(again.calls.borrow().is_empty());
}

#[test]
fn what_was_built_here_is_tried_again_where_the_trial_was_interrupted() {
    let desk = Desk::new();
    let runner = bears(offline());
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    record::put(&machine, kept(&machine).unwrap(), Origin::Source).unwrap();
    provide(&machine).unwrap();
    assert!(runner.ran(&["--test hostile"]));
    assert!(Record::read(&machine.places.folder()).unwrap().checked);
}

#[test]
fn what_was_built_here_is_known_by_its_checksum_where_its_record_is_lost() {
    let desk = Desk::new();
    let runner = bears(offline());
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    desk.write(&machine.places.cached, "mine");
    provide(&machine).unwrap();
    assert_eq!(origin(&machine), Origin::Source);
    assert!(runner.ran(&["--test hostile"]));
}

#[test]
fn what_was_built_here_and_does_not_bear_bylaw_is_not_used() {
    let desk = Desk::new();
    let runner = offline().good(&["clean"], "").bad(&["--test hostile"], "undefined symbol: v8__Isolate__New");
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    let error = format!("{:#}", provide(&machine).unwrap_err());
    assert!(error.contains("does not bear Bylaw") && error.contains("undefined symbol"), "{error}");
    assert!(!machine.places.cached.exists());
}

#[test]
fn attacks_that_a_busy_machine_gave_no_time_are_tried_once_more() {
    let desk = Desk::new();
    let runner = offline().good(&["clean"], "").good(&["--no-run"], "").bad(&["--exact"], "took too long");
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    let error = format!("{:#}", provide(&machine).unwrap_err());
    assert!(error.contains("took too long"), "{error}");
    let rounds = runner.calls.borrow().iter().filter(|call| call.contains("--exact")).count();
    assert_eq!(rounds, 2);
}

#[test]
fn a_trial_of_another_library_does_not_count() {
    let desk = Desk::new();
    let version = "bylaw 0.1.0 (V8 15.0.245.2, upstream's build)\n";
    let runner = offline().good(&["clean"], "").good(&["--test hostile"], "").good(&["bylaw --version"], version);
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    // The crate downloaded it for an earlier build, and would not ask for another.
    let stale = own_download(&machine);
    desk.write(&stale, "upstream's");
    desk.write(&stale.with_extension("sum"), "another address");
    let error = format!("{:#}", provide(&machine).unwrap_err());
    assert!(error.contains("was linked with another library"), "{error}");
    assert!(!stale.exists() && !stale.with_extension("sum").exists());
}

#[test]
fn a_library_that_was_built_and_tried_is_not_tried_again() {
    let desk = Desk::new();
    let runner = bears(offline());
    let machine = desk.machine(&runner);
    desk.vouched(&machine.places.folder(), "mine");
    from_source(&machine).unwrap();
    let again = Fake::default();
    from_source(&desk.machine(&again)).unwrap();
    assert!(again.calls.borrow().is_empty());
}

#[test]
fn building_is_not_forced_on_top_of_a_library_that_the_user_names() {
    let mut desk = Desk::new();
    desk.wishes.archive = Some("/mine.gz".to_owned());
    let error = from_source(&desk.machine(&Fake::default())).unwrap_err().to_string();
    assert!(error.ends_with("unset it"), "{error}");
}

#[test]
fn a_mirror_in_the_file_system_is_where_the_crate_reads_and_must_have_the_library() {
    let mut desk = Desk::new();
    desk.wishes.mirror = Some(desk.folder.path().join("mirror").display().to_string());
    desk.wishes.may_build = true;
    let runner = Fake::default();
    let mut machine = desk.machine(&runner);
    let file = desk.folder.path().join("mirror/v150.4.0/x.gz");
    machine.places.url = file.display().to_string();
    desk.write(&machine.places.cached, "cached");
    let error = provide(&machine).unwrap_err().to_string();
    assert!(error.starts_with("RUSTY_V8_MIRROR names ") && error.contains("there is no "), "{error}");
    desk.write(&file, "the mirror's");
    assert!(matches!(provide(&machine).unwrap(), Archive::Ready(path) if path == file));
    assert!(runner.calls.borrow().is_empty());
}
