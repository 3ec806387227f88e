//! `cargo xtask bench`: microseconds inside an isolate, and requests a second over TLS as a ratio to `serve --echo`,
//! all in one run on one machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first fault"
)]

mod load;
mod micro;
mod policies;
mod serving;

use std::time::Duration;

use load::{Load, Shape, Target};
use serving::Serving;

/// One measured row of the throughput table.
struct Row {
    name: &'static str,
    shape: Shape,
    per_second: f64,
    p50: Duration,
    p99: Duration,
    cpu_a_request: Duration,
}

fn main() -> anyhow::Result<()> {
    bylaw::isolate::init();
    let seconds =
        std::env::args().find_map(|arg| arg.strip_prefix("--seconds=").and_then(|text| text.parse().ok())).unwrap_or(4);
    let review = policies::review();
    println!("review: {} bytes; each load {seconds} s after warming up", review.len());
    micro::run(&review)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut rows = Vec::new();
    for (name, policies) in [("echo", 0), ("1 policy", 1), ("16 policies", 16), ("1 script", -1), ("echo again", 0)] {
        let serving = Serving::start(policies)?;
        for shape in [Shape::Http1 { connections: 16 }, Shape::Http2 { streams: 64 }] {
            let target = Target {
                address: serving.address,
                authority: serving.authority.clone(),
                path: "/validate",
                body: review.clone().into(),
            };
            let before = serving.cpu_time();
            let mut load: Load = runtime.block_on(load::run(&target, shape, Duration::from_secs(seconds)))?;
            let cpu = serving.cpu_time().saturating_sub(before);
            // The warm-up is part of the CPU time, and a quarter of the load's length.
            let requests = u32::try_from(load.latencies.len() * 5 / 4).unwrap_or(u32::MAX).max(1);
            rows.push(Row {
                name,
                shape,
                per_second: load.per_second(),
                p50: load.percentile(50),
                p99: load.percentile(99),
                cpu_a_request: cpu / requests,
            });
        }
    }
    print(&rows);
    Ok(())
}

fn print(rows: &[Row]) {
    println!(
        "\n{:<12} {:<22} {:>10} {:>8} {:>9} {:>9} {:>10}",
        "policies", "load", "per second", "to echo", "p50", "p99", "CPU each"
    );
    for row in rows {
        let echoes = rows.iter().filter(|other| other.shape == row.shape && other.name.starts_with("echo"));
        let best = echoes.map(|echo| echo.per_second).fold(0.0, f64::max);
        let shape = match row.shape {
            Shape::Http1 { connections } => format!("HTTP/1.1 x {connections}"),
            Shape::Http2 { streams } => format!("HTTP/2 x 1 x {streams}"),
        };
        println!(
            "{:<12} {shape:<22} {:>10.0} {:>7.2}x {:>9.1?} {:>9.1?} {:>10.1?}",
            row.name,
            row.per_second,
            row.per_second / best,
            row.p50,
            row.p99,
            row.cpu_a_request
        );
    }
}
