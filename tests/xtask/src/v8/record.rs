//! What is known of the library in the crate's cache: where it came from and its checksum. A file that is no longer what
//! it was is noticed by these.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::machine::Machine;

/// Where a library came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Upstream,
    Source,
    Shared,
    Given,
    Found,
}

impl Origin {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Upstream, "upstream", "upstream's download"),
        (Self::Source, "source", "built from source"),
        (Self::Shared, "shared", "../shared/v8"),
        (Self::Given, "given", "the file that RUSTY_V8_ARCHIVE named"),
        (Self::Found, "found", "found in the crate's cache"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(origin, ..)| *origin == self).map_or("", |(_, word, _)| word)
    }

    /// For people.
    pub fn told(self) -> &'static str {
        Self::ALL.iter().find(|(origin, ..)| *origin == self).map_or("", |(.., told)| told)
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == word).map(|(origin, ..)| *origin)
    }
}

/// The file as it was when it was put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub origin: Origin,
    pub sha256: String,
    /// Size and time of change: while they stay, the file need not be read again.
    stamp: String,
    /// Of the file.
    path: String,
    /// Whether Bylaw ran on it; asked of what was built here only.
    pub checked: bool,
}

/// The state of the file in the crate's cache.
#[derive(Debug, PartialEq, Eq)]
pub enum Health {
    Absent,
    Sound(Record),
    /// Why it cannot be used.
    Broken(String),
}

const NAME: &str = "record";

/// How a static library begins.
const LIBRARY: &[u8; 8] = b"!<arch>\n";

impl Record {
    fn of_file(file: &Path, origin: Origin, sha256: String) -> Result<Self> {
        Ok(Self { origin, sha256, stamp: stamp(file)?, path: file.display().to_string(), checked: false })
    }

    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(NAME)).ok()?;
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
        Some(Self {
            origin: Origin::of_word(&value("origin")?)?,
            sha256: value("sha256")?,
            stamp: value("stamp")?,
            path: value("path")?,
            checked: value("checked")? == "yes",
        })
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let Self { origin, sha256, stamp, path, checked } = self;
        let (origin, checked) = (origin.word(), if *checked { "yes" } else { "no" });
        let text = format!("origin: {origin}\nsha256: {sha256}\nstamp: {stamp}\npath: {path}\nchecked: {checked}\n");
        write_atomically(&folder.join(NAME), text.as_bytes())
    }

    /// The same, after Bylaw ran on it.
    pub fn after_check(self) -> Self {
        Self { checked: true, ..self }
    }

    pub fn forget(folder: &Path) {
        // What is not there need not be removed.
        let _ = fs::remove_file(folder.join(NAME));
    }
}

/// Looks at the file in the crate's cache. `thoroughly` reads it even where nothing seems to have changed.
pub fn health(machine: &Machine<'_>, thoroughly: bool) -> Result<Health> {
    let (file, folder) = (&machine.places.cached, machine.places.folder());
    if !file.is_file() {
        return Ok(Health::Absent);
    }
    let known = Record::read(&folder).filter(|record| Path::new(&record.path) == file);
    let Some(record) = known else { return adopt(machine, file, &folder) };
    let stamp = stamp(file)?;
    if stamp == record.stamp && !thoroughly {
        return Ok(Health::Sound(record));
    }
    let actual = sha256(file)?;
    if actual != record.sha256 {
        return Ok(Health::Broken(format!("its SHA-256 is {actual}, but {} was put there", record.sha256)));
    }
    // Touched, but the same.
    let record = Record { stamp, ..record };
    record.write(&folder)?;
    Ok(Health::Sound(record))
}

/// A file that somebody else put there: it is taken as it is if it can be unpacked.
fn adopt(machine: &Machine<'_>, file: &Path, folder: &Path) -> Result<Health> {
    if let Some(fault) = fault_of_gzip(machine, file) {
        return Ok(Health::Broken(fault));
    }
    let sha256 = sha256(file)?;
    let name = machine.places.file_name();
    let is_that_of = |folder: &Path| sum_beside(folder, &name).is_ok_and(|sum| sum == sha256);
    let origin = if is_that_of(folder) {
        Origin::Source
    } else if is_that_of(&machine.places.shared) {
        Origin::Shared
    } else {
        Origin::Found
    };
    let record = Record::of_file(file, origin, sha256)?;
    fs::create_dir_all(folder)?;
    record.write(folder)?;
    Ok(Health::Sound(record))
}

/// What gzip says against the file; nothing where there is no gzip. The crate also takes a library that is not packed.
pub fn fault_of_gzip(machine: &Machine<'_>, file: &Path) -> Option<String> {
    let mut first = [0; LIBRARY.len()];
    let read = File::open(file).and_then(|mut content| content.read_exact(&mut first));
    if read.is_ok() && &first == LIBRARY {
        return None;
    }
    let ended = machine.runner.run(process::Command::new("gzip").arg("--test").arg(file)).ok()?;
    (!ended.good).then(|| format!("it cannot be unpacked: {}", ended.errors.trim()))
}

/// A file and its checksum, which takes a while to be had.
pub struct Summed {
    pub file: PathBuf,
    sha256: String,
}

impl Summed {
    pub fn of(file: &Path) -> Result<Self> {
        Ok(Self { file: file.to_owned(), sha256: sha256(file)? })
    }
}

/// Puts the file where the crate looks, and remembers what it is.
pub fn put(machine: &Machine<'_>, from: Summed, origin: Origin) -> Result<()> {
    let (cached, folder) = (&machine.places.cached, machine.places.folder());
    // Between the two steps there is a file without a record, which is looked at as any other, never the reverse.
    Record::forget(&folder);
    place_atomically(&from.file, cached)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Record::of_file(cached, origin, from.sha256)?.write(&folder)
}

/// The archive in `folder`, if it is there and `SHA256SUMS` beside it vouches for it.
pub fn verified(folder: &Path, name: &str) -> Result<Summed> {
    let archive = folder.join(name);
    if !archive.is_file() {
        bail!("no such file");
    }
    let expected = sum_beside(folder, name)?;
    let archive = Summed::of(&archive)?;
    if archive.sha256 != expected {
        bail!("its SHA-256 is {}, but SHA256SUMS beside it says {expected}", archive.sha256);
    }
    Ok(archive)
}

fn sum_beside(folder: &Path, name: &str) -> Result<String> {
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).context("SHA256SUMS beside it cannot be read")?;
    let expected = sums.lines().find_map(|line| match line.split_once("  ") {
        Some((sum, of)) if of == name => Some(sum.to_owned()),
        _ => None,
    });
    expected.context("SHA256SUMS beside it does not name it")
}

pub fn sha256(file: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut content = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    io::copy(&mut content, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}

fn stamp(file: &Path) -> Result<String> {
    let metadata = fs::metadata(file)?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {}", metadata.len(), changed.as_nanos()))
}

/// A build at the same time must see the whole file or none. Not `fs::copy`: that would carry over a read-only mode.
pub fn place_atomically(from: &Path, to: &Path) -> Result<()> {
    let placed = File::open(from).map_err(Into::into).and_then(|mut content| write_whole(to, &mut content));
    placed.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

pub fn write_atomically(to: &Path, mut content: &[u8]) -> Result<()> {
    write_whole(to, &mut content).with_context(|| format!("cannot write {}", to.display()))
}

fn write_whole(to: &Path, content: &mut dyn Read) -> Result<()> {
    let folder = to.parent().context("the file has no folder")?;
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!(".partial-{}", process::id()));
    let written = File::create(&partial)
        .and_then(|mut file| io::copy(content, &mut file).and_then(|_| file.sync_all()))
        .and_then(|()| fs::rename(&partial, to));
    if written.is_err() {
        // What failed is reported; a leftover of it is not worth a second message.
        let _ = fs::remove_file(&partial);
    }
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::machine::{Wishes, tests::places};
    use super::super::runner::fake::Fake;
    use super::*;

    #[test]
    fn a_file_that_was_only_touched_stays_what_it_is() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default();
        let machine = Machine { runner: &runner, wishes: Wishes::default(), places: places(folder.path()) };
        let file = folder.path().join("lib");
        fs::write(&file, "library").unwrap();
        put(&machine, Summed::of(&file).unwrap(), Origin::Upstream).unwrap();
        let cached = &machine.places.cached;
        File::open(cached).unwrap().set_modified(UNIX_EPOCH).unwrap();
        let Health::Sound(record) = health(&machine, false).unwrap() else { panic!("not sound") };
        assert_eq!(record.origin, Origin::Upstream);
        assert_eq!(Record::read(&machine.places.folder()), Some(record));

        fs::write(cached, "librari").unwrap();
        assert!(matches!(health(&machine, false).unwrap(), Health::Broken(why) if why.contains("its SHA-256 is")));
    }

    #[test]
    fn a_library_that_is_not_packed_is_taken_as_the_crate_takes_it() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default().bad(&["gzip"], "not in gzip format");
        let machine = Machine { runner: &runner, wishes: Wishes::default(), places: places(folder.path()) };
        fs::create_dir_all(machine.places.cached.parent().unwrap()).unwrap();
        fs::write(&machine.places.cached, "!<arch>\n/ 0").unwrap();
        assert!(matches!(health(&machine, false).unwrap(), Health::Sound(_)));
        fs::remove_file(machine.places.folder().join(NAME)).unwrap();
        fs::write(&machine.places.cached, "<html>").unwrap();
        assert!(matches!(health(&machine, false).unwrap(), Health::Broken(_)));
    }

    #[test]
    fn an_origin_is_read_as_it_was_written() {
        for (origin, word, _) in Origin::ALL {
            assert_eq!((origin.word(), Origin::of_word(word)), (word, Some(origin)));
        }
    }
}
