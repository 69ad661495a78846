//! A way out of a lab's network namespace: a port on its loopback that leads to one on the host's.
//!
//! What pods would reach over the cluster's network, and what here runs beside the lab (the verifier), a pod's process reaches by this.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use super::netns;

/// Ends when it is dropped; connections end with their ends.
#[derive(Debug)]
pub struct Relay {
    listener: TcpListener,
    pub port: u16,
}

impl Relay {
    /// `to`: in the host's network namespace, on loopback.
    pub fn start(netns: &str, to: SocketAddr) -> Result<Self> {
        let name = netns.to_owned();
        let namespace = netns::open(netns)?;
        // A socket stays in the namespace that it was made in, whoever has it.
        let bound = thread::spawn(move || -> Result<TcpListener> {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
        });
        let listener = bound.join().expect("binding does not panic").with_context(|| format!("a port in {name}"))?;
        let port = listener.local_addr()?.port();
        let accepting = listener.try_clone()?;
        thread::spawn(move || {
            while let Ok((inside, _)) = accepting.accept() {
                // Who cannot be reached looks like a connection that ends.
                let Ok(outside) = TcpStream::connect(to) else { continue };
                let (Ok(other_inside), Ok(other_outside)) = (inside.try_clone(), outside.try_clone()) else { continue };
                thread::spawn(move || copy(inside, outside));
                thread::spawn(move || copy(other_outside, other_inside));
            }
        });
        Ok(Self { listener, port })
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _ = nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }
}
