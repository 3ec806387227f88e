//! Upstream's download, or the mirror's. `curl` and `wget` heed `HTTPS_PROXY` and its kin, as the crate's own ways do.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::machine::Machine;
use super::record::{self, Origin, Summed};
use super::runner::last_lines;

/// A host that does not answer must not hold up the next step for long.
const CONNECT_SECONDS: &str = "20";

pub fn upstream(machine: &Machine<'_>) -> Result<Origin> {
    let places = &machine.places;
    let folder = places.folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let partial = folder.join("download");
    eprintln!("V8: downloading {}", places.url);
    let done = download(machine, &partial).and_then(|()| {
        if let Some(fault) = record::fault_of_gzip(machine, &partial) {
            bail!("what came is no archive ({fault})");
        }
        record::put(machine, Summed::of(&partial)?, Origin::Upstream)
    });
    let _ = fs::remove_file(&partial);
    done.map(|()| Origin::Upstream)
}

fn download(machine: &Machine<'_>, to: &Path) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", CONNECT_SECONDS]);
    curl.args(["--speed-limit", "1024", "--speed-time", "60", "--output"]).arg(to).arg(&machine.places.url);
    let mut wget = Command::new("wget");
    wget.args(["--no-verbose", "--tries", "2", "--timeout", CONNECT_SECONDS, "--output-document"]).arg(to);
    wget.arg(&machine.places.url);
    for mut program in [curl, wget] {
        // A program that is not installed does not start.
        if let Ok(ended) = machine.runner.run(&mut program) {
            return if ended.good { Ok(()) } else { Err(anyhow!("{}", last_lines(&ended.errors, 1))) };
        }
    }
    bail!("neither curl nor wget is installed")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::machine::{Wishes, tests::places};
    use super::super::record::{Health, health};
    use super::super::runner::fake::Fake;
    use super::*;

    fn machine<'a>(folder: &TempDir, runner: &'a Fake) -> Machine<'a> {
        Machine { runner, wishes: Wishes::default(), places: places(folder.path()) }
    }

    fn writes(text: &'static str) -> impl Fn(&Command) + 'static {
        move |command| {
            let words: Vec<_> = command.get_args().collect();
            let at = words.iter().position(|word| *word == "--output" || *word == "--output-document").unwrap();
            fs::write(words[at + 1], text).unwrap();
        }
    }

    #[test]
    fn what_was_downloaded_is_remembered_as_upstreams() {
        let folder = TempDir::new().unwrap();
        let runner =
            Fake::default().does(&["curl", "releases/download/v150.4.0/"], "", writes("lib")).good(&["gzip"], "");
        let machine = machine(&folder, &runner);
        assert_eq!(upstream(&machine).unwrap(), Origin::Upstream);
        let Health::Sound(record) = health(&machine, true).unwrap() else { panic!("not sound") };
        assert_eq!(record.origin, Origin::Upstream);
    }

    #[test]
    fn a_page_of_a_proxy_is_not_taken_for_the_library() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default().does(&["curl"], "", writes("<html>")).bad(&["gzip"], "not in gzip format");
        let machine = machine(&folder, &runner);
        let error = upstream(&machine).unwrap_err().to_string();
        assert!(error.contains("not in gzip format"), "{error}");
        assert!(!machine.places.cached.exists() && !machine.places.folder().join("download").exists());
    }

    #[test]
    fn wget_stands_in_for_curl_and_the_reason_of_a_failure_is_told() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default().bad(&["wget"], "wget: unable to resolve host address ‘github.com’");
        let error = upstream(&machine(&folder, &runner)).unwrap_err().to_string();
        assert!(error.contains("unable to resolve"), "{error}");
        let error = upstream(&machine(&folder, &Fake::default())).unwrap_err().to_string();
        assert!(error.contains("neither curl nor wget"), "{error}");
    }
}
