//! The root folder of the image, as `charts/image/rootfs.sh` puts it together: the binary runs in it with nothing else
//! around, V8 and all, as a user that is not root of anything.

use std::process::Command;

use super::command::{Ended, bylaw};
use super::folder::{Folder, policy};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/image/rootfs.sh");

fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn the_binary_runs_with_nothing_but_the_image_around_it() {
    let read = policy("reads", "permissions: { read: [\"v1/Node\"] }, validate() {},");
    let folder = Folder::new(&[("root/policies/reads.ts", &read)]);
    let root = folder.argument("root");
    let made = run(Command::new("sh").args([SCRIPT, env!("CARGO_BIN_EXE_bylaw"), &root]));
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{made:?}");
    for file in ["bylaw", "etc/ssl/certs/ca-certificates.crt", "etc/passwd", "state", "tmp"] {
        assert!(folder.file("root").join(file).exists(), "{file} is missing");
    }
    assert!(!folder.file("root/bin").exists() && !folder.file("root/usr/bin").exists(), "there is no shell in it");

    let apart = ["--user", "--map-root-user", "chroot", &root, "/bylaw", "crd", "--rbac", "--policies", "/policies"];
    let inside = run(Command::new("unshare").args(apart));
    if inside.err.starts_with("unshare:") {
        eprintln!("skipped: namespaces of users are not allowed here");
        return;
    }
    let outside = bylaw(&["crd", "--rbac", "--policies", &folder.argument("root/policies")]);
    assert_eq!((inside.code, inside.out), (Some(0), outside.out), "{}", inside.err);
}
