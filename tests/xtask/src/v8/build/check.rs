//! Whether a library that was built here is good: Bylaw links with it, some attacks of `tests/hostile` come to the ends
//! that they should, and a policy sees no `Temporal`, which that library lacks and upstream's has.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::cargo;
use crate::v8::machine::Machine;
use crate::v8::runner::must;

/// The test of `tests/hostile`.
const TEST: &str = "every_attack_comes_to_the_end_it_should_and_harms_nobody";

/// Attacks on what the library itself must keep: intrinsics, parsing, stacks, realms, the end of loops and of memory. The
/// first looks for every clock there may be, `Temporal` among them.
const ATTACKS: &str =
    "time-reading,tamper-,escape-,eval-,forged-,data-,second-run,recursion,loop-plain,memory-array,script-";

/// What `bylaw --version` says of such a library.
const SAYS: &str = "built from source";

pub fn check(machine: &Machine<'_>) -> Result<()> {
    eprintln!("V8: trying the library that was built: Bylaw is compiled with it and attacked");
    tried(machine).with_context(|| {
        let folder = machine.places.folder();
        format!(
            "the library that was built does not bear Bylaw. The next command tries it again; remove {} to build it anew",
            folder.display()
        )
    })
}

fn tried(machine: &Machine<'_>) -> Result<()> {
    let places = &machine.places;
    // The crate would go on with the library of an earlier build: it does not notice another file in its cache.
    must(machine.runner, cargo()?.args(["clean", "--release", "--package", "v8"]))?;
    for name in ["librusty_v8.a", "librusty_v8.sum"] {
        let _ = fs::remove_file(places.target_folder.join("release/gn_out/obj").join(name));
    }
    machine.runner.show(attacks()?.arg("--no-run"))?;
    let attack = || machine.runner.show(attacks()?.args(["--", "--exact", TEST]).env("BYLAW_TEST_ONLY", ATTACKS));
    if let Err(error) = attack() {
        // Each attack has its time, which a busy machine may not give.
        eprintln!("V8: once more, in case the machine was busy: {error:#}");
        attack()?;
    }
    let program = places.target_folder.join("release/bylaw");
    let version = must(machine.runner, Command::new(&program).arg("--version"))?;
    if !version.contains(SAYS) {
        bail!("{} was linked with another library: it says {}", program.display(), version.trim());
    }
    Ok(())
}

fn attacks() -> Result<Command> {
    let mut command = cargo()?;
    command.args(["test", "--release", "--package", "bylaw", "--test", "hostile"]);
    Ok(command)
}
