//! `fetch` against a plain HTTP server of our own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::host::{Caller, Host, HostError, HostLimits, Objects};
use crate::policy::spec::Permissions;

/// Answers each request with what `answer` makes of it, and remembers them all.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let request = read(&stream);
                requests.lock().unwrap().push(request.clone());
                // A client that stops reading is part of some tests.
                let _ = stream.write_all(&answer(&request));
            }
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while reader.read_line(&mut request).unwrap_or(0) > 2 {}
    let length =
        request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
        .into_bytes()
}

fn fetch_with(net: &[&str], args: &Value) -> Result<Value, HostError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let host = Host::new(
        runtime.handle().clone(),
        Objects::Nowhere,
        HostLimits { fetch_bytes: 1000, ..HostLimits::default() },
    );
    let permissions = Permissions { net: net.iter().map(|s| (*s).to_owned()).collect(), ..Permissions::default() };
    let deadline = Instant::now() + Duration::from_secs(5);
    let caller =
        Caller { policy: "p", permissions: &permissions, dry_run: false, reconciles: false, review: None, deadline };
    let answer = host.call(&caller, "fetch", &args.to_string())?;
    Ok(serde_json::from_str(&answer.unwrap()).unwrap())
}

fn fetch(args: &Value) -> Result<Value, HostError> {
    fetch_with(&["127.0.0.1"], args)
}

#[test]
fn answers_with_status_headers_and_body() {
    let server =
        Server::start(|_| response("418 I'm a teapot, really", "x-kind: tea\r\nx-kind: pot\r\n", "{\"a\":\"é\"}"));
    let answer = fetch(&json!({"url": server.url("/x?y=1")})).unwrap();
    assert_eq!(answer["status"], 418);
    assert_eq!(answer["statusText"], "418 I'm a teapot, really");
    assert_eq!(answer["headers"]["X-Kind"], "tea");
    assert_eq!(answer["body"], "{\"a\":\"é\"}");
    let seen = server.seen();
    assert!(seen[0].starts_with("GET /x?y=1 HTTP/1.1\r\n"), "{seen:?}");
}

#[test]
fn sends_method_headers_and_body_but_no_host_of_the_policys_choice() {
    let server = Server::start(|_| response("200 OK", "", ""));
    let args = json!({"url": server.url("/"), "method": "post", "headers": {"X-Token": "t", "Host": "inner"}, "body": "hello"});
    assert_eq!(fetch(&args).unwrap()["statusText"], "200 OK");
    let request = server.seen().remove(0);
    assert!(request.starts_with("POST / ") && request.ends_with("hello"), "{request}");
    assert!(request.contains("x-token: t\r\n") && !request.contains("inner"), "{request}");
}

#[test]
fn follows_redirects_as_go_does() {
    let server = Server::start(|request| match request.split(' ').nth(1) {
        Some("/303") => response("303 See Other", "Location: /end\r\n", ""),
        Some("/307") => response("307 Temporary Redirect", "Location: end\r\n", ""),
        _ => response("200 OK", "", "end"),
    });
    for (path, method, body) in [("/303", "GET", ""), ("/307", "PUT", "data")] {
        let answer = fetch(&json!({"url": server.url(path), "method": "PUT", "body": "data"})).unwrap();
        assert_eq!(answer["body"], "end");
        let last = server.seen().pop().unwrap();
        assert!(last.starts_with(&format!("{method} /end ")) && last.ends_with(&format!("\r\n\r\n{body}")), "{last}");
    }
}

#[test]
fn a_redirect_leads_only_where_the_policy_may_go_and_takes_no_secrets_to_strangers() {
    let inner = Server::start(|_| response("200 OK", "", "inner"));
    let inner_url = inner.url("/");
    let outer = Server::start(move |_| response("302 Found", &format!("Location: {inner_url}\r\n"), ""));
    let args = json!({"url": outer.url("/"), "headers": {"Authorization": "Bearer t", "X-A": "1"}});
    let error = fetch_with(&[&outer.address.to_string()], &args).unwrap_err();
    assert_eq!(error.reason, "PermissionDenied");
    assert!(inner.seen().is_empty());
    assert_eq!(fetch(&args).unwrap()["body"], "inner");
    let request = inner.seen().remove(0);
    assert!(!request.contains("Bearer") && request.contains("x-a: 1"), "{request}");
    assert!(outer.seen().iter().all(|request| request.contains("Bearer t")));
}

#[test]
fn a_wildcard_never_reaches_metadata_addresses_by_redirect_either() {
    let server = Server::start(|_| response("302 Found", "Location: http://169.254.169.254/latest\r\n", ""));
    for url in [server.url("/"), "http://169.254.169.254/".to_owned(), "http://[fe80::1]/".to_owned()] {
        let error = fetch_with(&["*"], &json!({"url": url})).unwrap_err();
        assert_eq!(error.reason, "PermissionDenied", "{url}");
        assert!(error.message.contains("no wildcard covers"), "{error}");
    }
}

#[test]
fn endless_redirects_and_endless_bodies_end() {
    let server = Server::start(|_| response("302 Found", "Location: /again\r\n", ""));
    let error = fetch(&json!({"url": server.url("/")})).unwrap_err();
    assert_eq!((error.reason.as_str(), error.message.as_str()), ("FetchFailed", "stopped after 10 redirects"));
    assert_eq!(server.seen().len(), 11);

    let announced = Server::start(|_| response("200 OK", "", &"x".repeat(1001)));
    let silent =
        Server::start(|_| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), vec![b'x'; 1001]].concat());
    let fits = Server::start(|_| response("200 OK", "", &"x".repeat(1000)));
    assert_eq!(fetch(&json!({"url": announced.url("/")})).unwrap_err().reason, "TooLarge");
    assert_eq!(fetch(&json!({"url": silent.url("/")})).unwrap_err().reason, "TooLarge");
    assert!(fetch(&json!({"url": fits.url("/")})).is_ok());
    let error = fetch(&json!({"url": fits.url("/"), "method": "POST", "body": "x".repeat(1001)})).unwrap_err();
    assert_eq!(error.reason, "TooLarge");
}

#[test]
fn a_dead_host_is_an_error_that_shows_no_url() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = fetch(&json!({"url": format!("http://user:password@127.0.0.1:{port}/?token=t")})).unwrap_err();
    assert_eq!(error.reason, "FetchFailed");
    assert!(error.message.contains("refused") && !error.message.contains("token"), "{error}");
}
