//! A way between a client and its server that is not theirs: it can lead out of a lab's network namespace, and it can be closed while the
//! server answers everybody else.
//!
//! What pods would reach over the cluster's network, and what here runs beside the lab (the verifier), a pod's process reaches by this.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use super::netns;

/// A port on loopback. It ends when this is dropped; connections end with their ends.
#[derive(Debug)]
pub struct Relay {
    listener: TcpListener,
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Both ends in the host's network namespace. `to`: on loopback.
    pub fn start(to: SocketAddr) -> Result<Self> {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, to)
    }

    /// From this network namespace to the host's.
    pub fn start_in(netns: &str, to: SocketAddr) -> Result<Self> {
        let namespace = netns::open(netns)?;
        // A socket stays in the namespace that it was made in, whoever has it.
        let bound = thread::spawn(move || -> Result<TcpListener> {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
        });
        let listener = bound.join().expect("binding does not panic").with_context(|| format!("a port in {netns}"))?;
        Self::on(listener, to)
    }

    fn on(listener: TcpListener, to: SocketAddr) -> Result<Self> {
        let (port, accepting, shared) =
            (listener.local_addr()?.port(), listener.try_clone()?, Arc::new(Shared::default()));
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                // A connection that fails is its client's to notice.
                let _ = of_thread.relay(&client, to);
            }
        });
        Ok(Self { listener, port, shared })
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

impl Shared {
    fn relay(&self, client: &TcpStream, to: SocketAddr) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let server = TcpStream::connect(to)?;
        for (from, to) in [(client, &server), (&server, client)] {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            open.push(from.try_clone()?);
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _ = nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }
}
