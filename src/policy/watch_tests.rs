use std::path::Path;
use std::sync::mpsc;

use super::super::loader::LoadOptions;
use super::super::testing::{Folder, engine, manifest, policy};
use super::*;

/// Far above the promise, for slow machines; the promise itself is asserted where it is made.
const PATIENCE: Duration = Duration::from_secs(10);

struct Watched {
    catalogs: mpsc::Receiver<Arc<Catalog>>,
    watcher: PolicyWatcher,
}

impl Watched {
    fn new(root: &Path) -> Self {
        let mut loader = Loader::new(vec![root.to_owned()], engine(), LoadOptions::default());
        loader.load().unwrap();
        let (send, catalogs) = mpsc::channel();
        let watcher = watch(loader, move |catalog| send.send(catalog).unwrap_or_default()).unwrap();
        Self { catalogs, watcher }
    }

    /// Waits for a catalog that satisfies a promise.
    #[track_caller]
    fn until(&self, promise: impl Fn(&Catalog) -> bool) -> Arc<Catalog> {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(catalog) = self.catalogs.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if promise(&catalog) {
                return catalog;
            }
        }
        panic!("no catalog kept the promise");
    }
}

fn has(name: &'static str) -> impl Fn(&Catalog) -> bool {
    move |catalog| catalog.get(name).is_some()
}

#[test]
fn a_change_is_published_within_its_time() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c"))]);
    let watched = Watched::new(folder.root());
    // The first link of a process warms it up; the promise is for a running server.
    folder.write("a.ts", &policy("a.b.d"));
    watched.until(has("a.b.d"));
    let times: Vec<Duration> = (0..5)
        .map(|_| {
            let changed = Instant::now();
            folder.write("a.ts", &policy("a.b.e"));
            watched.until(has("a.b.e"));
            let took = changed.elapsed();
            folder.write("a.ts", &policy("a.b.d"));
            watched.until(has("a.b.d"));
            took
        })
        .collect();
    assert!(times.iter().min().is_some_and(|fastest| *fastest < Duration::from_millis(300)), "{times:?}");
}

#[test]
fn new_deleted_and_moved_files_and_folders_are_followed() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c"))]);
    let watched = Watched::new(folder.root());
    folder.write("sub/deep/b.ts", &policy("b.b.b"));
    watched.until(has("b.b.b"));
    folder.write("sub/deep/b.ts", &policy("b.b.d"));
    watched.until(has("b.b.d"));
    std::fs::rename(folder.path("sub"), folder.path("other")).unwrap();
    watched.until(|catalog| {
        catalog.get("b.b.d").is_some_and(|revision| revision.source.starts_with(folder.path("other")))
    });
    folder.write("other/deep/b.ts", &policy("b.b.e"));
    watched.until(has("b.b.e"));
    folder.remove("a.ts");
    watched.until(|catalog| catalog.get("a.b.c").is_none());
}

#[test]
fn an_atomic_save_of_an_editor_is_one_change() {
    let folder = Folder::with(&[("a.yaml", &manifest("a.b.c", "  javascript: deny('1')"))]);
    let watched = Watched::new(folder.root());
    folder.write(".a.yaml.swp", &manifest("a.b.c", "  javascript: deny('2')"));
    std::fs::rename(folder.path(".a.yaml.swp"), folder.path("a.yaml")).unwrap();
    let catalog =
        watched.until(|catalog| catalog.get("a.b.c").is_some_and(|found| found.code.script.contains("deny('2')")));
    assert!(catalog.problems.is_empty(), "{:?}", catalog.problems);
}

#[test]
fn a_config_map_volume_is_followed_through_its_links() {
    let folder = Folder::with(&[("..1/a.ts", &policy("a.b.c")), ("..2/a.ts", &policy("a.b.d"))]);
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.path(name)).unwrap();
    link("..1", "..data");
    link("..data/a.ts", "a.ts");
    let watched = Watched::new(folder.root());
    link("..2", "..data_tmp");
    std::fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
    watched.until(has("a.b.d"));
}

#[test]
fn a_half_written_file_never_takes_enforcement_away() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c"))]);
    let watched = Watched::new(folder.root());
    let text = policy("a.b.d");
    for end in [0, text.len() / 2] {
        folder.write("a.ts", &text[..end]);
        std::thread::sleep(Duration::from_millis(150));
    }
    folder.write("a.ts", &text);
    watched.until(|catalog| {
        assert_eq!(catalog.revisions.len(), 1, "{:?}", catalog.problems);
        catalog.get("a.b.d").is_some()
    });
}

#[test]
fn a_helper_outside_of_the_folder_is_followed_too() {
    let folder = Folder::with(&[
        ("policies/a.ts", &format!("import {{ x }} from '../lib/x';\nexport const y = x;\n{}", policy("a.b.c"))),
        ("lib/x.ts", "export const x = 'one';"),
    ]);
    let watched = Watched::new(&folder.path("policies"));
    folder.write("lib/x.ts", "export const x = 'two';");
    watched.until(|catalog| catalog.get("a.b.c").is_some_and(|found| found.code.script.contains("two")));
}

#[test]
fn a_storm_of_changes_cannot_put_reading_off() {
    let (send, events) = bounded(QUEUE);
    let stopped = Arc::new(AtomicBool::new(false));
    let storm = Arc::clone(&stopped);
    let sender = std::thread::spawn(move || {
        while !storm.load(Ordering::Relaxed) {
            let _ = send.try_send(Event::Written(vec![PathBuf::from("a")]));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let started = Instant::now();
    let not_stopped = AtomicBool::new(false);
    assert!(next_change(&events, &not_stopped, RESCAN).is_some());
    assert!(started.elapsed() < LONGEST_WAIT * 40, "{:?}", started.elapsed());
    stopped.store(true, Ordering::Relaxed);
    sender.join().unwrap();
}

#[test]
fn what_arrives_whole_is_not_waited_for_as_files_are() {
    let (send, events) = bounded(QUEUE);
    let took = |sent: Vec<Event>| {
        for event in sent {
            send.send(event).unwrap();
        }
        let started = Instant::now();
        let touched = next_change(&events, &AtomicBool::new(false), RESCAN).unwrap();
        (started.elapsed(), touched.len())
    };
    let arrived = |name: &str| Event::Arrived(PathBuf::from(name));
    // The shortest of some, for a machine may be busy.
    let shortest = (0..20).map(|_| took(vec![arrived("a"), arrived("b")])).min().unwrap();
    assert!(shortest.0 < QUIET && shortest.1 == 2, "{shortest:?}");
    let (elapsed, touched) = took(vec![arrived("a"), Event::Written(vec![PathBuf::from("b")])]);
    assert!(elapsed >= QUIET && touched == 2, "{elapsed:?}: an editor may not be done yet");
}

#[test]
fn dropping_it_ends_the_thread() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c"))]);
    let Watched { catalogs, watcher } = Watched::new(folder.root());
    drop(watcher);
    assert!(matches!(catalogs.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected)));
}

#[test]
fn without_watches_files_are_looked_at_all_the_same() {
    let (send, events) = bounded::<Event>(1);
    let folders = Folders { watcher: None, watched: BTreeSet::new(), refused: BTreeSet::new() };
    assert_eq!(folders.patience(), POLL);
    let started = Instant::now();
    assert_eq!(next_change(&events, &AtomicBool::new(false), Duration::from_millis(10)), Some(BTreeSet::new()));
    assert!(started.elapsed() < LONGEST_WAIT, "{:?}", started.elapsed());
    drop(send);
    assert_eq!(next_change(&events, &AtomicBool::new(false), POLL), None);
}
