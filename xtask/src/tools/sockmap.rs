//! `xtask tool sockmap`: a connection whose octets no IP hook sees. An sk_msg program hands what this process writes straight to
//! the peer's socket on the same machine, which it takes from the server's process (pidfd_getfd). Only for the lab, and only for
//! two sockets of its own.

mod bpf;
pub(super) mod steal;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::owner::Owner;
use super::{Script, Tool};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sockmap {
    pub to: SocketAddr,
    /// The process whose accepted socket is to be reached.
    pub server: u32,
    /// Sent by TCP, before the redirection: none if empty.
    pub before: Vec<u8>,
    /// Sent past it.
    pub hidden: Vec<u8>,
    /// The answer must contain this.
    pub answer: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    pub local: Option<SocketAddr>,
    pub answer: String,
}

impl Script for Sockmap {
    const TOOL: Tool = Tool::Sockmap;
    type Report = Report;

    fn play(self, owner: &mut Owner) -> Result<Report> {
        let mut stream = TcpStream::connect(self.to)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let local = stream.local_addr()?;
        stream.write_all(&self.before)?;
        let accepted = steal::socket_to(self.server, local)?;
        let map = bpf::SockMap::new(2)?;
        map.insert(0, accepted.as_fd())?;
        map.insert(1, stream.as_fd())?;
        let _program = map.redirect_to(0)?;
        owner.wait("redirected")?;
        stream.write_all(&self.hidden)?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.windows(self.answer.len()).any(|w| w == self.answer.as_bytes()) {
            match stream.read(&mut buffer)? {
                0 => bail!("closed; the answer so far is {}", String::from_utf8_lossy(&answer)),
                length => answer.extend_from_slice(&buffer[..length]),
            }
        }
        owner.wait("answered")?;
        Ok(Report { local: Some(local), answer: String::from_utf8_lossy(&answer).into_owned() })
    }
}
