//! `xtask tool serve`: an HTTP/1.1 server with WebSocket echo, at a listener of a rarer form. It says `Waiting("ready")` when it
//! listens, and runs until it is killed or this is released.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::owner::Owner;
use super::{Script, Tool, sockets};
use crate::client::sink;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Serve {
    pub at: SocketAddr,
    pub mptcp: bool,
    /// Takes data in a SYN; so many at once.
    pub fast_open: Option<i32>,
    /// Accepts only when data has come (TCP_DEFER_ACCEPT), or after so many seconds.
    pub defer_accept: Option<i32>,
}

impl Serve {
    pub fn new(at: SocketAddr) -> Self {
        Self { at, mptcp: false, fast_open: None, defer_accept: None }
    }

    fn listener(&self) -> Result<std::net::TcpListener> {
        let protocol = if self.mptcp { Protocol::MPTCP } else { Protocol::TCP };
        let socket = Socket::new(Domain::for_address(self.at), Type::STREAM, Some(protocol))?;
        socket.set_reuse_address(true)?;
        if let Some(queue) = self.fast_open {
            // 2: the server's side; only of this process' namespace.
            std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3")?;
            sockets::set(&socket, libc::TCP_FASTOPEN, queue)?;
        }
        if let Some(seconds) = self.defer_accept {
            sockets::set(&socket, libc::TCP_DEFER_ACCEPT, seconds)?;
        }
        socket.bind(&self.at.into()).with_context(|| format!("bind {}", self.at))?;
        socket.listen(1024)?;
        Ok(socket.into())
    }
}

impl Script for Serve {
    const TOOL: Tool = Tool::Serve;
    type Report = ();

    fn play(self, owner: &mut Owner) -> Result<()> {
        let listener = self.listener()?;
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || sink::serve(stream));
            }
        });
        owner.wait("ready")
    }
}
