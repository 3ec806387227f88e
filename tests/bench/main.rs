//! `cargo xtask bench`: what Bylaw costs inside an isolate, over TLS against `serve --echo`, as it grows, and for long.
//! README.md beside this file says how to read it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first fault"
)]

mod budget;
mod fleet;
mod lifecycle;
mod load;
mod machine;
mod micro;
mod options;
mod policies;
mod scaling;
mod serving;
mod soak;
mod table;
mod tenants;
mod throughput;

use std::process::ExitCode;

use clap::Parser as _;
use serde_json::json;

use options::Options;
use table::Table;

/// The server's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bylaw::isolate::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let options = Options::parse();
    // A mistake in it must not show after half an hour.
    let budget = budget::read(&options.budget)?;
    let mut table = Table::default();
    let machine = machine::describe();
    println!("{machine:#}\n");
    if let Some(minutes) = options.soak {
        let done = soak::run(minutes, &mut table);
        print!("{}", table.text());
        return done;
    }
    micro::run(&options, &mut table)?;
    throughput::run(&options, &mut table)?;
    scaling::run(&options, &mut table)?;
    tenants::run(&options, &mut table)?;
    if !options.quick {
        lifecycle::run(&options, &mut table)?;
    }
    print!("{}", table.text());
    if let Some(file) = &options.json {
        let all = json!({ "machine": machine, "runs": options.runs(), "rows": table.json() });
        std::fs::write(file, format!("{all:#}\n"))?;
    }
    if options.check {
        println!("\n{}", budget::check(&budget, &table, &options)?);
    }
    Ok(())
}
