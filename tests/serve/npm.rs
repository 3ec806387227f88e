//! The npm tools of `sdk-ts/node_modules`, lent to packages that tests make.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a tool of Node.js said.
#[derive(Debug)]
pub struct Said {
    pub is_good: bool,
    pub text: String,
}

/// The installed tools. Where there are none the test is said to be skipped; on CI that is a failure.
pub fn tools() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk-ts/node_modules");
    if folder.join(".bin/tsc").exists() {
        return Some(folder);
    }
    let missing = "the npm packages of sdk-ts; run `npm ci --ignore-scripts` there";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: {missing}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped {test}: {missing}\n")));
    None
}

/// Links every tool into the package's own `node_modules`, as an installation without a registry would.
#[cfg(unix)]
pub fn lend(tools: &Path, package: &Path) {
    use std::os::unix::fs::symlink;
    let modules = package.join("node_modules");
    fs::create_dir_all(&modules).unwrap();
    for entry in fs::read_dir(tools).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with('@') {
            symlink(entry.path(), modules.join(name)).unwrap();
            continue;
        }
        fs::create_dir_all(modules.join(&name)).unwrap();
        for inner in fs::read_dir(entry.path()).unwrap() {
            let inner = inner.unwrap();
            symlink(inner.path(), modules.join(&name).join(inner.file_name())).unwrap();
        }
    }
}

/// Runs a program in a folder.
pub fn run(folder: &Path, program: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1").env("npm_config_offline", "true");
    // A test runner inside of a test runner takes these for its own.
    let output = command.env_remove("CI").env_remove("VITEST").output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Said { is_good: output.status.success(), text }
}
