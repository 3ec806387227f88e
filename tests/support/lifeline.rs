//! Processes and folders that cannot outlive the process that made them: not after a panic, Ctrl-C or `kill -9` either.
//!
//! A shell guards each of them and waits for the end of its standard input, the lifeline. The kernel closes that pipe
//! when its owner goes, however it goes, so there is one way to clean up and no signal handler.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Arguments: the program and its own. The lifeline moves to descriptor 3, since a shell takes standard input away from
/// what it runs in the background; a line on it names a signal for the child. Once the child has ended, the watcher must
/// not kill whoever gets its number next.
const GUARD_PROCESS: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- & child=$!
{ while read -r signal <&3; do kill "-$signal" "$child"; done; kill -KILL "$child"; } & watcher=$!
wait "$child"; status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
"#;

/// Argument: the folder. A killed server may still be writing for a moment, hence more than one attempt.
const GUARD_FOLDER: &str = r#"
read -r _
for attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit 0; sleep 0.1; done
exit 1
"#;

/// A running process; dropping it kills the process and waits for its end.
pub struct Guarded(Child);

impl Guarded {
    /// Starts `program` with standard output and error going to the file `log`.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        let errors = output.try_clone()?;
        let mut guard = guard(GUARD_PROCESS);
        guard.arg(program).args(arguments).stdout(output).stderr(errors);
        Ok(Self(guard.spawn()?))
    }

    /// Kills the process and waits for its end.
    pub fn kill(&mut self) {
        cut(&mut self.0);
    }

    /// Sends a signal, such as `STOP`, in a moment.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        let Some(mut lifeline) = self.0.stdin.as_ref() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        writeln!(lifeline, "{name}")
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A private folder; dropping it removes it with all that is inside.
pub struct ScratchFolder {
    path: PathBuf,
    guard: Child,
}

impl ScratchFolder {
    /// Makes a folder that only this user can enter. `path` must not exist yet.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        let guard = guard(GUARD_FOLDER).arg(&path).stdout(Stdio::null()).spawn()?;
        Ok(Self { path, guard })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        cut(&mut self.guard);
    }
}

fn guard(script: &str) -> Command {
    let mut shell = Command::new("sh");
    // A group of its own: Ctrl-C in the terminal must reach the owner only, or the guard would die before its charge.
    shell.args(["-c", script, "guard"]).stdin(Stdio::piped()).process_group(0);
    shell
}

fn cut(guard: &mut Child) {
    drop(guard.stdin.take());
    // Nothing to do about a guard that cannot be waited for; its charge is gone all the same.
    let _ = guard.wait();
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process, thread, time::Duration};

    use super::*;

    fn scratch(name: &str) -> ScratchFolder {
        // A test target may hold this file more than once.
        let module = module_path!().replace("::", "-");
        ScratchFolder::create(env::temp_dir().join(format!("{module}-{name}-{}", process::id()))).unwrap()
    }

    fn shell(script: &str) -> Vec<String> {
        vec!["-c".to_owned(), script.to_owned()]
    }

    #[test]
    fn a_dropped_process_is_dead_and_its_folder_gone() {
        let folder = scratch("dropped");
        let log = folder.path().join("log");
        let process = Guarded::start(Path::new("sh"), &shell("echo $$; exec sleep 600"), &log).unwrap();
        while !fs::read_to_string(&log).unwrap().ends_with('\n') {
            thread::sleep(Duration::from_millis(5));
        }
        let pid = fs::read_to_string(&log).unwrap();
        let alive = || Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap().success();
        assert!(alive(), "killed with its owner still there");
        drop(process);
        assert!(!alive(), "outlived its owner");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_process_is_paused_and_goes_on() {
        let folder = scratch("paused");
        let log = folder.path().join("log");
        let process =
            Guarded::start(Path::new("sh"), &shell("while true; do echo on; sleep 0.01; done"), &log).unwrap();
        let written = || fs::metadata(&log).unwrap().len();
        let wait_until = |is_so: &dyn Fn() -> bool| {
            while !is_so() {
                thread::sleep(Duration::from_millis(5));
            }
        };
        wait_until(&|| written() > 0);
        process.signal("STOP").unwrap();
        wait_until(&|| {
            let before = written();
            thread::sleep(Duration::from_millis(200));
            written() == before
        });
        let paused = written();
        process.signal("CONT").unwrap();
        wait_until(&|| written() > paused);
        process.signal("STOP").unwrap();
        // What is paused is killed all the same.
        drop(process);
    }

    #[test]
    fn the_end_of_a_process_is_seen() {
        let folder = scratch("ended");
        let mut process = Guarded::start(Path::new("sh"), &shell("exit 7"), &folder.path().join("log")).unwrap();
        let status = loop {
            if let Some(status) = process.ended().unwrap() {
                break status;
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(7));
    }
}
