//! Why the server could not start, each with what to do about it. A running server has no errors of its own: it
//! refuses single requests and goes on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A fault that keeps the server from starting (exit code 2).
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("cannot listen on {address}: {}; choose another address with {flag}", bind_reason(.fault))]
    Bind { address: SocketAddr, flag: &'static str, fault: io::Error },
    #[error("cannot read {what} {}: {source}", .path.display())]
    Read { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{fault} (certificate {}, key {})", .cert.display(), .key.display())]
    Pair { cert: PathBuf, key: PathBuf, fault: PairFault },
    #[error("cannot write {}: {source}; choose another folder with --state-dir", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not a certificate authority that Bylaw can use: {reason}; move it away to have a new one made (clients must then trust the new one), or choose another folder with --state-dir", .path.display())]
    Authority { path: PathBuf, reason: String },
    #[error("{} has been held by another process for too long; is a stopped one still there?", .path.display())]
    Locked { path: PathBuf },
    #[error("{name:?} cannot stand in a certificate: {reason}; give a DNS name or an IP address")]
    Name { name: String, reason: String },
    #[error("{}: {reason}; give the authority of the API server's client certificate with --client-ca", .path.display())]
    Callers { path: PathBuf, reason: String },
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
}

/// Why two PEM texts are no key pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairFault {
    #[error("the certificate file holds no PEM certificate")]
    NoCertificate,
    #[error("the key file holds no PEM private key")]
    NoKey,
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("the private key cannot be used: {0}")]
    Key(String),
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

fn bind_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process holds the port".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}
