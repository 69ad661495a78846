//! Between one client and its server: a way that can be closed while the server answers everybody else.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::spawn;

use anyhow::Result;

pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let of_thread = Arc::clone(&shared);
        // It ends with the test's process.
        spawn(move || {
            for client in listener.incoming() {
                // A connection that fails is its client's to notice.
                let _ = client.and_then(|client| relay(&of_thread, client, to));
            }
        });
        Ok(Self { address, shared })
    }

    /// Whatever is open ends, and what comes is turned away.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let open = std::mem::take(&mut *self.shared.open.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in open {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub fn open(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
    }
}

fn relay(shared: &Shared, client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.closed.load(Ordering::SeqCst) {
        return Ok(());
    }
    let server = TcpStream::connect(to)?;
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        open.push(from.try_clone()?);
        spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
