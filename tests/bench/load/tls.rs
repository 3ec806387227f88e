//! One TLS connection without a runtime: plain bytes in, plain bytes out, never blocking once it stands.

use std::io::{self, BufRead as _, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::Target;

pub struct Tls {
    pub socket: TcpStream,
    tls: ClientConnection,
}

impl Tls {
    pub fn connect(target: &Target, protocol: &[u8]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&target.authority)? {
            roots.add(certificate?)?;
        }
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
        tls.set_buffer_limit(None);
        let mut socket = std::net::TcpStream::connect(target.address)?;
        socket.set_nodelay(true)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        anyhow::ensure!(tls.alpn_protocol() == Some(protocol), "the server does not speak {protocol:?}");
        socket.set_nonblocking(true)?;
        Ok(Self { socket: TcpStream::from_std(socket), tls })
    }

    pub fn send(&mut self, plain: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(plain)?;
        self.flush()
    }

    /// Sends what the socket takes now; the rest goes when it says that it takes more.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives `take` all that has come.
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        loop {
            let length = match self.socket.read(scratch) {
                Ok(0) => anyhow::bail!("the server closed the connection"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.decrypt(scratch.get(..length).unwrap_or_default(), &mut take)?;
            // What is shorter than the buffer was all there was: that saves asking.
            if length < scratch.len() {
                return Ok(());
            }
        }
    }

    fn decrypt(&mut self, mut cipher: &[u8], take: &mut impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        while !cipher.is_empty() {
            self.tls.read_tls(&mut cipher)?;
            self.tls.process_new_packets()?;
            loop {
                let mut reader = self.tls.reader();
                let length = match reader.fill_buf() {
                    Ok([]) => break,
                    Ok(plain) => {
                        take(plain)?;
                        plain.len()
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                };
                reader.consume(length);
            }
        }
        Ok(())
    }
}
