//! An API server sends many reviews at once over one HTTP/2 connection, and none waits for another.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::bylaw::with_bylaw;
use super::objects::{config_map, secret};
use super::policies::policy;

const TOGETHER: usize = 4;
const GATHER_WITHIN: Duration = Duration::from_secs(8);

/// Takes requests until as many wait as there should be, counts the connections to `port`, then answers them all.
fn gather(listener: &TcpListener, port: u16) -> (usize, usize) {
    let deadline = Instant::now() + GATHER_WITHIN;
    let mut waiting: Vec<TcpStream> = Vec::new();
    listener.set_nonblocking(true).unwrap();
    while waiting.len() < TOGETHER && Instant::now() < deadline {
        match listener.accept() {
            Ok((stream, _)) => waiting.push(stream),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
    let connections = connections_to(port);
    for stream in &mut waiting {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(GATHER_WITHIN)).unwrap();
        // The request itself does not matter.
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
    }
    (waiting.len(), connections)
}

/// Established TCP connections that end at a port of loopback, by Linux's own list.
fn connections_to(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let local = format!("0100007F:{port:04X}");
    let list = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = list.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields[1] == local && fields[3] == ESTABLISHED).count()
}

#[test]
fn reviews_that_wait_share_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handler = format!(
        r#"
        match: {{ resources: ["secrets"], operations: ["CREATE"] }},
        permissions: {{ net: ["{address}"] }},
        async validate({{ fetch }}) {{ await fetch("http://{address}/"); }},
        "#
    );
    with_bylaw([policy("waiting", &handler)], |bylaw| {
        let port = bylaw.server().url().rsplit(':').next().unwrap().parse().unwrap();
        let bylaw = &*bylaw;
        let (waited, connections) = thread::scope(|scope| {
            for number in 0..TOGETHER {
                let secret = secret(&format!("s-{number}"), json!({}));
                scope.spawn(move || bylaw.accepts("secrets", &secret));
            }
            gather(&listener, port)
        });
        assert_eq!(waited, TOGETHER, "reviews waited for one another");
        assert!(connections < TOGETHER, "{connections} connections for {TOGETHER} reviews");
        bylaw.accepts("configmaps", &config_map("after", json!({})));
    });
}
