//! Over TLS: how much in a closed loop, and how long a client waits at half of that in an open one. Echo is measured
//! first and last in every run, so that a machine that slows down meanwhile does not pass for a slow server.

use std::time::Duration;

use crate::load::{self, Load, Pace, Plan, Question, Shape};
use crate::options::Options;
use crate::policies;
use crate::serving::Serving;
use crate::table::Table;

/// Of the measured saturation, in the open loop.
const OPEN_SHARE: f64 = 0.5;

/// What is served, and how it is asked.
struct Mode {
    name: &'static str,
    serving: Serving,
    question: Question,
}

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let names = ["echo", "1 policy", "16 policies", "1 script", "1 mutation"];
    let wanted = |name: &&str| Shape::BOTH.iter().any(|shape| options.wants(&row(name, *shape)));
    if !names.iter().any(wanted) {
        return Ok(());
    }
    let mut modes = Vec::new();
    for name in names.into_iter().filter(|name| *name == "echo" || wanted(name)) {
        modes.push(Mode::start(name)?);
    }
    let Some((echo, modes)) = modes.split_first() else { return Ok(()) };
    for _ in 0..options.runs() {
        for shape in Shape::BOTH {
            one_run(options, table, echo, modes, shape)?;
        }
    }
    for mode in modes.iter().chain([echo]) {
        table.mebibytes(&format!("memory/{} after load", mode.name), "RSS", mode.serving.resident());
    }
    Ok(())
}

fn one_run(options: &Options, table: &mut Table, echo: &Mode, modes: &[Mode], shape: Shape) -> anyhow::Result<()> {
    let time = options.load_time();
    let first = echo.load(shape, Pace::Closed, time)?;
    let echo_row = row(echo.name, shape);
    closed(table, &echo_row, &first);
    let mut rates = Vec::new();
    for mode in modes.iter().filter(|mode| options.wants(&row(mode.name, shape))) {
        let load = mode.load(shape, Pace::Closed, time)?;
        closed(table, &row(mode.name, shape), &load);
        rates.push((mode, load.per_second()));
    }
    let last = echo.load(shape, Pace::Closed, time)?;
    closed(table, &echo_row, &last);
    table.ratio(&echo_row, "drift (last to first)", last.per_second() / first.per_second());
    let mean = f64::midpoint(first.per_second(), last.per_second());
    for (mode, rate) in &rates {
        table.ratio(&row(mode.name, shape), "to echo", rate / mean);
    }
    if options.quick {
        return Ok(());
    }
    let waited = echo.open(table, shape, mean, time)?;
    for (mode, rate) in rates {
        let latencies = mode.open(table, shape, rate, time)?;
        let to_echo = latencies.quantile(0.5).as_secs_f64() / waited.quantile(0.5).as_secs_f64();
        table.ratio(&open_row(mode.name, shape), "p50 to echo", to_echo);
    }
    Ok(())
}

impl Mode {
    fn start(name: &'static str) -> anyhow::Result<Self> {
        let serving = match name {
            "echo" => Serving::echo(),
            "1 script" => Serving::of(policies::write_script),
            "1 mutation" => Serving::of(policies::write_mutation),
            "1 policy" => Serving::of(|dir| policies::write(dir, 1)),
            _ => Serving::of(|dir| policies::write(dir, 16)),
        }?;
        let question = if name == "1 mutation" { policies::to_mutate() } else { policies::to_allow() };
        Ok(Self { name, serving, question })
    }

    fn load(&self, shape: Shape, pace: Pace, time: Duration) -> anyhow::Result<Load> {
        let target = self.serving.target(vec![self.question.clone()]);
        let server_cpu = || self.serving.cpu_time();
        load::run(&target, &Plan { shape, pace, warm_up: time / 4, time, server_cpu: &server_cpu })?.sound()
    }

    fn open(&self, table: &mut Table, shape: Shape, saturation: f64, time: Duration) -> anyhow::Result<Load> {
        let load = self.load(shape, Pace::Open { per_second: saturation * OPEN_SHARE }, time)?;
        let row = open_row(self.name, shape);
        table.add(&row, "per second", "/s", load.per_second());
        table.latencies(&row, &load.latencies);
        cpu(table, &row, &load);
        Ok(load)
    }
}

fn closed(table: &mut Table, row: &str, load: &Load) {
    table.add(row, "per second", "/s", load.per_second());
    table.latencies(row, &load.latencies);
    cpu(table, row, load);
}

fn cpu(table: &mut Table, row: &str, load: &Load) {
    let requests = u32::try_from(load.latencies.len()).unwrap_or(u32::MAX).max(1);
    table.micros(row, "server CPU a request", load.server_cpu / requests);
    table.micros(row, "generator CPU a request", load.own_cpu / requests);
}

fn row(mode: &str, shape: Shape) -> String {
    format!("load/{mode}/{}", shape.name())
}

fn open_row(mode: &str, shape: Shape) -> String {
    format!("{} open at half", row(mode, shape))
}
