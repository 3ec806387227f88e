//! Taking connections: no more than the cap, and at the end those that the kernel has already taken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::HttpError;

/// How long to wait after an accept that failed for want of file descriptors or memory: some connection will close.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A connection and the permit it holds while it is open.
pub(super) type Accepted = (TcpStream, OwnedSemaphorePermit);

/// A listener with a cap on open connections.
pub(super) struct Acceptor {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl Acceptor {
    /// `flag` is the command line's word for this address.
    pub(super) async fn bind(address: SocketAddr, flag: &'static str, connections: usize) -> Result<Self, HttpError> {
        let failed = |fault| HttpError::Bind { address, flag, fault };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self { listener, permits: Arc::new(Semaphore::new(connections)) })
    }

    /// The address it listens on, with the port the kernel chose where the configured one is 0.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection. Cancelling it loses none.
    pub(super) async fn next(&self) -> Accepted {
        loop {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            // The semaphore is never closed.
            let Ok(permit) = permit else { return std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, _)) => return (prepared(stream), permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Stops listening. Returns the connections that the kernel had completed by then: their clients may have sent
    /// requests already, which a closed listener would answer with a reset.
    pub(super) fn close(self) -> Vec<Accepted> {
        let mut backlog = Vec::new();
        let Ok(listener) = self.listener.into_std() else { return backlog };
        while let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            let Ok((stream, _)) = listener.accept() else { break };
            if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                backlog.push((prepared(stream), permit));
            }
        }
        backlog
    }
}

/// An answer is one small write: waiting for more of it (Nagle) only adds latency.
fn prepared(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

/// Errors that belong to the connection that was being accepted and say nothing about the next (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn acceptor(connections: usize) -> Acceptor {
        Acceptor::bind(([127, 0, 0, 1], 0).into(), "--listen", connections).await.unwrap()
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_flag_to_change_it() {
        let taken = acceptor(1).await;
        let address = taken.address().unwrap();
        let error = Acceptor::bind(address, "--metrics-listen", 1).await.err().unwrap().to_string();
        assert_eq!(
            error,
            format!(
                "cannot listen on {address}: another process holds the port; choose another address with --metrics-listen"
            )
        );
    }

    #[tokio::test]
    async fn the_cap_holds_until_a_connection_closes() {
        let acceptor = acceptor(1).await;
        let address = acceptor.address().unwrap();
        let _clients = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let (_stream, permit) = acceptor.next().await;
        let second = tokio::time::timeout(Duration::from_millis(50), acceptor.next()).await;
        assert!(second.is_err());
        drop(permit);
        let _ = acceptor.next().await;
    }

    #[tokio::test]
    async fn closing_hands_over_what_the_kernel_had_taken() {
        let acceptor = acceptor(10).await;
        let address = acceptor.address().unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(acceptor.close().len(), 3);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
