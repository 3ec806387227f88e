//! A way to the API server that can be cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::super::world::World;

/// Passes connections on while it is whole; the kubeconfig leads through it.
pub struct Wire {
    pub kubeconfig: PathBuf,
    is_whole: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// One that is cut.
    pub fn cut(world: &World, folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = world.cluster.url().trim_start_matches("https://").to_owned();
        let text = std::fs::read_to_string(world.cluster.kubeconfig()).unwrap();
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, text.replace(&server, &address.to_string())).unwrap();
        let (is_whole, open) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<TcpStream>>>::default());
        let wire = Self { kubeconfig, is_whole: Arc::clone(&is_whole), open: Arc::clone(&open) };
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if is_whole.load(Ordering::Relaxed)
                    && let Ok(far) = TcpStream::connect(&server)
                {
                    pass_on(near, far, &open);
                }
            }
        });
        wire
    }

    pub fn mend(&self) {
        self.is_whole.store(true, Ordering::Relaxed);
    }

    /// Cuts it, with all that goes through it.
    pub fn sever(&self) {
        self.is_whole.store(false, Ordering::Relaxed);
        self.snap();
    }

    /// Cuts all that goes through it; what comes after passes.
    pub fn snap(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn pass_on(near: TcpStream, far: TcpStream, open: &Mutex<Vec<TcpStream>>) {
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Both));
        });
    };
    copy(&near, &far);
    copy(&far, &near);
    open.lock().unwrap_or_else(PoisonError::into_inner).extend([near, far]);
}
