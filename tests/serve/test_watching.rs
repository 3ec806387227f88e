//! `bylaw test --watch` and `--inspect`: runs that go on while somebody works.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::folder::Folder;

const PATIENCE: Duration = Duration::from_secs(30);

const POLICY: &str = "import { policy } from \"@bylaw/sdk\";\n\ninterface Data {\n  a?: string;\n}\n\nexport default policy({\n  name: \"seen.test.example\",\n  match: { resources: [\"configmaps\"] },\n  validate({ object, deny }) {\n    const data: Data = object.data ?? {};\n    if (data.a === \"bad\") {\n      deny(\"a is bad\");\n    }\n  },\n});\n";

const CASE: &str = "name: bad\nobject: { apiVersion: v1, kind: ConfigMap, metadata: { name: web }, data: { a: bad } }\nexpect: { allowed: false }\n";

/// A run that ends with its owner.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("test").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, lines) = channel();
        let (out, err): (ChildStdout, ChildStderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let also = tell.clone();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        std::thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| also.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line with this text.
    #[track_caller]
    fn line(&self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("no line with {part:?} but {seen:?}") };
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
    }

    fn code(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it has not ended")
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn folder() -> Folder {
    Folder::new(&[("p/policy.ts", POLICY), ("p/cases/a.yaml", CASE)])
}

#[test]
fn a_change_of_a_case_or_of_a_policy_is_run_at_once_and_a_mistake_is_waited_out() {
    let folder = folder();
    let mut running = Running::start(&["-p", &folder.argument(""), "--watch"]);
    running.line("1 passed");
    folder.write("p/cases/a.yaml", &CASE.replace("allowed: false", "allowed: true"));
    running.line("1 failed, 0 passed");
    folder.write("p/policy.ts", &POLICY.replace("=== \"bad\"", "=== \"worse\""));
    running.line("1 passed");
    folder.write("p/policy.ts", "export default policy({");
    running.line("policy.ts:1:");
    folder.write("p/policy.ts", POLICY);
    running.line("1 failed, 0 passed");
    folder.write("p/cases/b.yaml", "name: broken\n");
    running.line("expects nothing");
    folder.remove("p/cases/b.yaml");
    running.line("1 failed, 0 passed");
    running.interrupt();
    assert_eq!(running.code(), Some(1));
}

#[test]
fn only_what_a_change_touches_is_run_again() {
    let folder = folder();
    folder.write("q/policy.ts", &POLICY.replace("seen.test", "other.test"));
    folder.write("q/cases/a.yaml", CASE);
    let running = Running::start(&["-p", &folder.argument(""), "--watch"]);
    running.line("2 passed");
    folder.write("q/cases/a.yaml", &CASE.replace("name: bad", "name: new"));
    let summary = running.line("2 passed");
    assert!(summary.contains("1 run"), "{summary}");
}

#[test]
fn of_a_file_that_changes_only_the_cases_that_say_something_else_are_run_again() {
    let folder = folder();
    let (second, third) = (CASE.replace("name: bad", "name: second"), CASE.replace("name: bad", "name: third"));
    folder.write("p/cases/a.yaml", &format!("{CASE}---\n{second}---\n{third}"));
    let running = Running::start(&["-p", &folder.argument(""), "--watch"]);
    running.line("3 passed");
    // The lines of what follows are others, and they are told where they stand now.
    folder
        .write("p/cases/a.yaml", &format!("# more\n{CASE}---\n{}---\n{third}", second.replace("name: web", "name: b")));
    let summary = running.line("3 passed");
    assert!(summary.contains("1 run"), "{summary}");
    folder.write("p/cases/a.yaml", &format!("{CASE}---\n{second}---\n{}", third.replace("false", "true")));
    let place = running.line("a.yaml:");
    assert!(place.contains("a.yaml:9:"), "{place}");
    assert!(running.line("1 failed, 2 passed").contains("2 run"));
}

/// One debugger, such as a browser has.
struct Debugger {
    socket: WebSocketStream<tokio::net::TcpStream>,
    next: u64,
    /// What came while something else was waited for.
    events: Vec<Value>,
}

impl Debugger {
    async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Self { socket, next: 0, events: Vec::new() }
    }

    async fn receive(&mut self) -> Value {
        use futures::StreamExt as _;
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message comes");
        serde_json::from_str(message.unwrap().unwrap().to_text().unwrap()).unwrap()
    }

    async fn send(&mut self, method: &str, params: Value) -> u64 {
        use futures::SinkExt as _;
        self.next += 1;
        let text = json!({"id": self.next, "method": method, "params": params}).to_string();
        self.socket.send(Message::text(text)).await.unwrap();
        self.next
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        loop {
            let message = self.receive().await;
            if message["id"] == id {
                assert_eq!(message.get("error"), None, "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    async fn event(&mut self, method: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let found = self.events.iter().position(|event| event["method"] == method && fits(&event["params"]));
            if let Some(at) = found {
                return self.events.remove(at)["params"].clone();
            }
            let message = self.receive().await;
            self.events.push(message);
        }
    }
}

/// The places of a source map: line of the script, and line of the source (both from 0) with its index.
fn places(map: &Value) -> Vec<(u64, i64, i64)> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => i64::from(letter - b'A'),
        b'a'..=b'z' => i64::from(letter - b'a') + 26,
        b'0'..=b'9' => i64::from(letter - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut places = Vec::new();
    let (mut source, mut line) = (0, 0);
    for (number, row) in (0..).zip(map["mappings"].as_str().unwrap().split(';')) {
        for segment in row.split(',').filter(|segment| !segment.is_empty()) {
            let (mut values, mut value, mut shift) = (Vec::new(), 0, 0);
            for letter in segment.bytes().map(digit) {
                value |= (letter & 31) << shift;
                shift += 5;
                if letter & 32 == 0 {
                    values.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
                    (value, shift) = (0, 0);
                }
            }
            if values.len() >= 4 {
                source += values[1];
                line += values[2];
                places.push((number, source, line));
            }
        }
    }
    places
}

fn get(address: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_debugger_stops_in_the_typescript_and_sees_the_object() {
    let folder = folder();
    let mut running = Running::start(&["-p", &folder.argument("p/policy.ts"), "--inspect=127.0.0.1:0"]);
    let url = running.line("Debugger listening on ws://").rsplit(' ').next().unwrap().to_owned();
    let address = url.trim_start_matches("ws://").split('/').next().unwrap().to_owned();
    let list = get(&address, "/json/list", &address);
    let targets: Value = serde_json::from_str(list.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(targets[0]["webSocketDebuggerUrl"], url.as_str());
    assert!(get(&address, "/json/version", "localhost").contains("\"Protocol-Version\":\"1.3\""));
    assert!(
        get(&address, "/json/list", "evil.example:9229").starts_with("HTTP/1.1 400"),
        "a name that is not this machine's"
    );

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut debugger = Debugger::connect(&url).await;
        debugger.call("Runtime.enable", json!({})).await;
        debugger.call("Debugger.enable", json!({})).await;
        let file = format!("file://{}", folder.argument("p/policy.ts"));
        let script = debugger.event("Debugger.scriptParsed", |script| script["url"] == file.as_str()).await;
        let map = script["sourceMapURL"].as_str().unwrap().strip_prefix("data:application/json;base64,").unwrap();
        let map: Value = serde_json::from_slice(&STANDARD.decode(map).unwrap()).unwrap();
        let source = map["sources"].as_array().unwrap().iter().position(|source| *source == file.as_str()).unwrap();
        assert_eq!(map["sourcesContent"][source], POLICY);
        // `deny("a is bad")` stands on line 13 of the TypeScript.
        let places = places(&map);
        let source = i64::try_from(source).unwrap();
        let line = places.iter().find(|(_, of, line)| (*of, *line) == (source, 12)).unwrap().0;
        debugger.call("Debugger.setBreakpointByUrl", json!({"url": file, "lineNumber": line})).await;
        debugger.send("Runtime.runIfWaitingForDebugger", json!({})).await;

        let paused = debugger.event("Debugger.paused", |_| true).await;
        assert_eq!(paused["hitBreakpoints"].as_array().map(Vec::len), Some(1), "{paused}");
        let frame = &paused["callFrames"][0];
        let at = frame["location"]["lineNumber"].as_u64().unwrap();
        assert!(places.contains(&(at, source, 12)), "{frame}");
        let asked = json!({"callFrameId": frame["callFrameId"], "expression": "object.metadata.name + object.data.a", "returnByValue": true});
        let value = debugger.call("Debugger.evaluateOnCallFrame", asked).await;
        assert_eq!(value["result"]["value"], "webbad");
        // No limit of time ends what somebody looks at.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        debugger.send("Debugger.resume", json!({})).await;
        running.line("1 passed");
    });
    assert_eq!(running.code(), Some(0));
}

#[test]
fn a_debugger_that_goes_while_it_holds_a_policy_lets_it_run_on() {
    let folder = folder();
    let mut running = Running::start(&["-p", &folder.argument("p/policy.ts"), "--inspect=127.0.0.1:0"]);
    let url = running.line("Debugger listening on ws://").rsplit(' ').next().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut debugger = Debugger::connect(&url).await;
        debugger.call("Debugger.enable", json!({})).await;
        debugger.call("Debugger.pause", json!({})).await;
        debugger.send("Runtime.runIfWaitingForDebugger", json!({})).await;
        debugger.event("Debugger.paused", |_| true).await;
    });
    running.line("1 passed");
    assert_eq!(running.code(), Some(0));
}
