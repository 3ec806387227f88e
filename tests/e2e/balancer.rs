//! What a Service does for replicas: one address, each connection to one of those that are there.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Balancer {
    address: SocketAddr,
    backends: Arc<Mutex<Vec<SocketAddr>>>,
    over: Arc<AtomicBool>,
}

impl Balancer {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let backends = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (known, ended) = (Arc::clone(&backends), Arc::clone(&over));
        thread::spawn(move || {
            let turn = AtomicUsize::new(0);
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let backends = known.lock().expect("no thread panics here").clone();
                let from = turn.fetch_add(1, Ordering::Relaxed);
                let server = (0..backends.len()).find_map(|next| {
                    let backend = backends[(from + next) % backends.len()];
                    TcpStream::connect(backend).ok()
                });
                if let Some(server) = server {
                    join(client, server);
                }
            }
        });
        Self { address, backends, over }
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Sends new connections to these, `https://127.0.0.1:port` each; those that stand go on.
    pub fn send_to<'a>(&self, urls: impl IntoIterator<Item = &'a str>) {
        *self.backends.lock().expect("no thread panics here") = urls.into_iter().map(address).collect();
    }

    /// Sends new connections to this one, too.
    pub fn add(&self, url: &str) {
        self.backends.lock().expect("no thread panics here").push(address(url));
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // The listener waits for a connection.
        drop(TcpStream::connect(self.address));
    }
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("https://").and_then(|at| at.parse().ok()).expect("an address")
}

/// Copies both ways until both sides are done.
fn join(client: TcpStream, server: TcpStream) {
    for (from, to) in [(&client, &server), (&server, &client)] {
        drop(from.set_nodelay(true));
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
        thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        });
    }
}
