//! `cargo xtask bench`: what Bylaw costs inside an isolate, over TLS against `serve --echo`, as it grows, for long, and in a
//! cluster.
//! README.md beside this file says how to read it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first fault"
)]

#[path = "../support/api.rs"]
mod api;
mod budget;
#[allow(unused_imports, reason = "the tests in its lifeline are not run here")]
#[path = "../support/cluster.rs"]
mod cluster;
mod fleet;
mod lifecycle;
mod load;
mod machine;
mod micro;
mod operator;
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
    if options.operator {
        operator::run(&options, &mut table)?;
    } else {
        server(&options, &mut table)?;
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

/// What needs no cluster.
fn server(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    micro::run(options, table)?;
    throughput::run(options, table)?;
    scaling::run(options, table)?;
    tenants::run(options, table)?;
    if !options.quick {
        lifecycle::run(options, table)?;
    }
    Ok(())
}
