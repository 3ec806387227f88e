//! What a worker may do to its supervisor, who plays the worker here: nothing but give its policy's verdict.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::domain::{Job, Shared, Supervisor};
use super::frame::{FROM_WORKER, Frame, Incoming, TO_WORKER, encode};
use super::message::{Answered, Confinement, FromWorker, Mode, Outcome, ToWorker};
use super::process::Worker;
use super::spare::Taker;
use super::verdict::VerdictHead;
use crate::decision::{Cause, Denial, Effect, Verdict};
use crate::host::{Host, HostLimits, Objects};
use crate::isolate::testing::{Draft, error, input, inventory, messages, validate};
use crate::isolate::{Evaluated, Input};
use crate::policy::{Isolation, Permissions, Revision};
use crate::telemetry::{Metrics, WorkerEnd};

const STARTUP: Duration = Duration::from_secs(1);

/// The end of the socket that a worker has, and the number of the process that stands for it.
struct Fake {
    socket: UnixStream,
    process: u32,
}

type Behaviour = Box<dyn FnOnce(Fake) + Send>;

impl Fake {
    fn next(incoming: &mut Incoming<&UnixStream>) -> Option<(ToWorker, Frame)> {
        let frame = incoming.wait().ok()??;
        Some((frame.head().unwrap(), frame))
    }

    fn send(&self, head: &FromWorker, body: &str) {
        // The supervisor may have had enough.
        drop((&self.socket).write_all(&encode(FROM_WORKER, head, &[body.as_bytes()]).unwrap()));
    }

    fn done(&self, run: u64, verdict: Verdict) {
        let (head, body) = VerdictHead::of(verdict.into());
        self.send(&FromWorker::Done { run, verdict: Box::new(head) }, &body.concat());
    }

    /// Answers every run.
    fn serve(self, mut answer: impl FnMut(&Self, u64)) {
        let mut incoming = Incoming::new(&self.socket, TO_WORKER);
        while let Some((message, _)) = Self::next(&mut incoming) {
            if let ToWorker::Run(run) = message {
                answer(&self, run.run);
            }
        }
    }

    fn kill(self) {
        let killed = std::process::Command::new("kill").args(["-KILL", &self.process.to_string()]).status();
        assert!(killed.unwrap().success());
    }
}

/// Denies with a text.
fn denial(text: &str) -> Verdict {
    let denial = Denial { message: text.to_owned(), ..Denial::default() };
    Verdict { effect: Effect::Deny(vec![denial]), ..Verdict::allow("somebody else".into()) }
}

/// A sound worker.
fn sound() -> Behaviour {
    Box::new(|fake| fake.serve(|fake, run| fake.done(run, denial("sound"))))
}

/// One that does this once it is asked to run something, and then nothing more.
fn at_run(work: impl FnOnce(&Fake, u64) + Send + 'static) -> Behaviour {
    Box::new(|fake| {
        let mut work = Some(work);
        fake.serve(move |fake, run| {
            if let Some(work) = work.take() {
                work(fake, run);
            }
        });
    })
}

/// One that asks this of the host, and denies with what it gets.
fn asking(operation: &'static str, arguments: &'static str) -> Behaviour {
    Box::new(move |fake| {
        let mut incoming = Incoming::new(&fake.socket, TO_WORKER);
        let mut run = 0;
        while let Some((message, frame)) = Fake::next(&mut incoming) {
            match message {
                ToWorker::Run(asked) => {
                    run = asked.run;
                    fake.send(&FromWorker::Call { call: 7, operation: operation.to_owned() }, arguments);
                }
                ToWorker::Answer(Answered { call, outcome }) => {
                    assert_eq!(call, 7);
                    fake.done(
                        run,
                        denial(&match outcome {
                            Outcome::Text => String::from_utf8(frame.body.to_vec()).unwrap(),
                            Outcome::Undefined => "undefined".to_owned(),
                            Outcome::Error { reason, .. } => reason,
                        }),
                    );
                }
                _ => {}
            }
        }
    })
}

/// One that is killed while it runs, after this.
fn killed(before: impl FnOnce(&Fake) + Send + 'static) -> Behaviour {
    Box::new(|fake| {
        let mut incoming = Incoming::new(&fake.socket, TO_WORKER);
        while let Some((message, _)) = Fake::next(&mut incoming) {
            if let ToWorker::Run(_) = message {
                before(&fake);
                // What it asked for is on its way before it ends.
                std::thread::sleep(Duration::from_millis(20));
                return fake.kill();
            }
        }
    })
}

/// A supervisor that gets these workers, one after another.
struct Rig {
    runtime: Runtime,
    jobs: mpsc::Sender<Job>,
    metrics: Arc<Metrics>,
}

impl Rig {
    fn new(workers: Vec<Behaviour>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let metrics = Arc::new(Metrics::default());
        let (spares, mut takers) = mpsc::channel::<Taker>(8);
        let counted = Arc::clone(&metrics);
        runtime.spawn(async move {
            for behaviour in workers {
                let Some(taker) = takers.recv().await else { return };
                drop(taker.send(started(behaviour, &counted)));
            }
        });
        let host = Host::new(runtime.handle().clone(), inventory(), HostLimits::default());
        let shared =
            Shared { runtime: runtime.handle().clone(), host, startup: STARTUP, metrics: Arc::clone(&metrics), spares };
        let (jobs, queue) = mpsc::channel(8);
        runtime.spawn(Supervisor::new(Arc::new(shared)).serve(queue));
        Self { runtime, jobs, metrics }
    }

    fn ask(&self, draft: Draft) -> Verdict {
        self.ask_on(input(), draft.made())
    }

    fn ask_on(&self, input: Input, revision: Arc<Revision>) -> Verdict {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let job = Job { revision, input, mode: Mode::Validate, reply };
        let evaluated: Evaluated = self.runtime.block_on(async {
            self.jobs.send(job).await.ok().unwrap();
            answer.await.unwrap()
        });
        evaluated.verdict
    }

    /// That the next review is answered by the next worker, and why it is another one.
    #[track_caller]
    fn assert_replaced(&self, end: WorkerEnd) {
        assert_eq!(messages(&self.ask(validate(""))), ["sound"]);
        let page = self.metrics.render();
        let line = format!("bylaw_worker_restarts_total{{reason=\"{}\"}} 1", end.as_str());
        assert!(page.contains(&line), "no {line} in\n{page}");
        assert_eq!(self.metrics.workers.get(), 1);
    }
}

fn started(behaviour: Behaviour, metrics: &Arc<Metrics>) -> Worker {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new("sleep").arg("60").stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let fake = Fake { socket: theirs, process: child.id().unwrap() };
    std::thread::spawn(move || behaviour(fake));
    Worker::over(ours, child, metrics).unwrap()
}

fn reading() -> Draft {
    validate("").with(|spec| {
        spec.permissions = Permissions { read: vec!["v1/ConfigMap".to_owned()], ..spec.permissions.clone() }
    })
}

const KNOWN: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","namespace":"shop","name":"known"}"#;

#[test]
fn who_may_make_code_of_text_has_a_realm_for_each_run_in_a_worker_too() {
    let mode = |draft: Draft| super::mode(super::Work::Validate, &draft.made());
    let apart = validate("").with(|spec| spec.isolation = Isolation::Process);
    assert!(matches!(mode(apart.clone()), Mode::Validate));
    assert!(matches!(mode(apart.with(|spec| spec.permissions.codegen = true)), Mode::Fresh { mutating: false }));
}

#[test]
fn a_verdict_is_that_of_the_policy_that_was_asked_whoever_it_claims_to_be() {
    let rig = Rig::new(vec![sound()]);
    for name in ["a", "b"] {
        let verdict = rig.ask(validate("").named(name));
        assert_eq!((&*verdict.policy, messages(&verdict)), (name, vec!["sound".to_owned()]));
    }
}

#[test]
fn what_is_no_frame_costs_one_verdict_and_one_worker() {
    let garbage: [fn(&Fake, u64); 6] = [
        |fake, _| (&fake.socket).write_all(&[0xff; 64]).unwrap(),
        |fake, _| (&fake.socket).write_all(&[2, 0, 0, 0, 0, 0, 0, 0, b'{', b'{']).unwrap(),
        |fake, _| fake.send(&FromWorker::Ready { version: 1, confinement: Confinement::default() }, ""),
        |fake, run| fake.done(run + 1, denial("of another run")),
        |fake, run| fake.done(run, Verdict { effect: Effect::Deny(vec![]), ..denial("") }),
        |fake, run| {
            let mutation = Some(crate::decision::Mutation { before: "{}".to_owned(), after: "{\"a\":1}".to_owned() });
            fake.done(run, Verdict { mutation, ..Verdict::allow("p".into()) });
        },
    ];
    for behaviour in garbage {
        let rig = Rig::new(vec![at_run(behaviour), sound()]);
        assert_eq!(error(&rig.ask(validate(""))).0, Cause::BadResult);
        rig.assert_replaced(WorkerEnd::Protocol);
    }
}

#[test]
fn a_flood_of_calls_or_lines_ends_the_worker() {
    let calls = |fake: &Fake, _| {
        // It reads the answers as well: one that does not only holds up its own supervisor, until the deadline.
        let mut answers = fake.socket.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
        for call in 0..1_100 {
            fake.send(&FromWorker::Call { call, operation: "get".to_owned() }, KNOWN);
        }
    };
    let lines = |fake: &Fake, _| (0..1_100).for_each(|_| fake.send(&FromWorker::Line, "line"));
    for flood in [at_run(calls), at_run(lines)] {
        let rig = Rig::new(vec![flood, sound()]);
        assert_eq!(error(&rig.ask(reading())).0, Cause::BadResult);
        rig.assert_replaced(WorkerEnd::Protocol);
    }
}

#[test]
fn a_worker_gets_what_its_policy_may_have_and_nothing_else() {
    let told =
        |draft, operation, arguments| messages(&Rig::new(vec![asking(operation, arguments)]).ask(draft)).remove(0);
    assert!(told(reading(), "get", KNOWN).contains("\"found\""));
    assert_eq!(told(validate(""), "get", KNOWN), "PermissionDenied");
    assert_eq!(told(reading(), "env", r#"{"name":"HOME"}"#), "PermissionDenied");
    assert_eq!(told(reading(), "readFile", r#"{"path":"/etc/passwd"}"#), "PermissionDenied");
    assert_eq!(told(reading(), "fetch", r#"{"url":"http://127.0.0.1:1/"}"#), "PermissionDenied");
    assert_eq!(told(reading(), "create", r#"{"object":{"apiVersion":"v1","kind":"Pod"}}"#), "PermissionDenied");
    assert_eq!(told(reading(), "exec", "{}"), "WrongArguments");
}

#[test]
fn a_kill_from_outside_is_not_noticed_by_who_asked() {
    let rig = Rig::new(vec![killed(|_| ()), killed(|_| ()), sound()]);
    assert_eq!(messages(&rig.ask(validate(""))), ["sound"]);
}

#[test]
fn a_run_that_only_read_is_begun_again() {
    let reads = |fake: &Fake| fake.send(&FromWorker::Call { call: 1, operation: "get".to_owned() }, KNOWN);
    let rig = Rig::new(vec![killed(reads), sound()]);
    assert_eq!(messages(&rig.ask(reading())), ["sound"]);
}

#[test]
fn a_run_that_may_have_changed_something_is_not_begun_again() {
    let writes = |fake: &Fake| {
        let object =
            json!({"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "y"}}});
        fake.send(&FromWorker::Call { call: 1, operation: "create".to_owned() }, &object.to_string());
    };
    let rig = Rig::new(vec![killed(writes), sound()]);
    assert_eq!(error(&rig.ask(validate(""))), (Cause::Internal, "its worker process was killed"));
    rig.assert_replaced(WorkerEnd::Killed);
}

#[test]
fn a_policy_that_is_killed_each_time_gets_an_error_in_the_end() {
    let rig = Rig::new((0..3).map(|_| killed(|_| ())).chain([sound()]).collect());
    assert_eq!(error(&rig.ask(validate(""))).0, Cause::Internal);
    assert_eq!(messages(&rig.ask(validate(""))), ["sound"]);
}

#[test]
fn a_worker_that_was_killed_between_runs_costs_nobody_anything() {
    let rig = Rig::new(vec![
        Box::new(|fake: Fake| {
            let mut incoming = Incoming::new(&fake.socket, TO_WORKER);
            while let Some((message, _)) = Fake::next(&mut incoming) {
                if let ToWorker::Run(run) = message {
                    fake.done(run.run, denial("first"));
                    return fake.kill();
                }
            }
        }),
        sound(),
    ]);
    assert_eq!(messages(&rig.ask(validate(""))), ["first"]);
    assert_eq!(messages(&rig.ask(validate(""))), ["sound"]);
}

#[test]
fn a_worker_that_says_nothing_is_ended_after_the_deadline() {
    let rig = Rig::new(vec![at_run(|_, _| ()), sound()]);
    let late = Input { deadline: Instant::now() + Duration::from_millis(100), ..input() };
    assert_eq!(error(&rig.ask_on(late, validate("").made())).0, Cause::Timeout);
    rig.assert_replaced(WorkerEnd::Timeout);
}

#[test]
fn without_a_worker_there_is_an_error_and_not_a_wait() {
    let rig = Rig::new(vec![]);
    let begun = Instant::now();
    assert_eq!(error(&rig.ask(validate(""))).0, Cause::Internal);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_program_that_is_no_worker_is_told_from_one() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let host = Host::new(runtime.handle().clone(), Objects::Nowhere, HostLimits::default());
    let metrics = Arc::new(Metrics::default());
    for program in ["/bin/true", "/nowhere/at/all"] {
        let workers = super::Workers::new(&host, &crate::isolate::Limits::default(), &metrics, Some(program.into()));
        let input = input();
        let verdict = runtime.block_on(workers.run(super::Work::Validate, &input, &validate("").made())).verdict;
        assert_eq!(error(&verdict), (Cause::Internal, "no worker process could be started"), "{program}");
    }
}
