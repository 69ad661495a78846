//! `xtask tool sockets`: the kernel's own TCP in its rarer forms (MPTCP, Fast Open), and what can be done with a socket or a
//! process while a connection is open: hand it to another process, move to another cgroup, break off.

use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::socket::{self, ControlMessage, ControlMessageOwned, MsgFlags};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::owner::Owner;
use super::sockmap::steal;
use super::{Script, Tool};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sockets {
    pub to: SocketAddr,
    pub from: Option<IpAddr>,
    pub kind: Kind,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Plain,
    Mptcp,
    /// With a cookie that an earlier connection got, data goes in the SYN (RFC 7413).
    FastOpen,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    /// Makes the socket, without connecting it.
    Socket,
    Connect,
    Send(Vec<u8>),
    /// With MSG_OOB.
    Urgent(Vec<u8>),
    /// Until the answer contains this text.
    Answer(String),
    /// Until the peer has closed.
    Ended,
    /// No more will be sent; answers still come.
    ShutDown,
    Close,
    /// Closes with a RST.
    Reset,
    /// This process goes into another cgroup (a folder).
    Move(PathBuf),
    /// Listens at this path, says `Waiting("give")`, and gives the socket away to whoever connects.
    Give(PathBuf),
    /// Gets a socket that somebody gives away at this path.
    Take(PathBuf),
    /// Takes a socket of another process (pidfd_getfd), by its other end.
    Steal {
        process: u32,
        peer: SocketAddr,
    },
    Wait(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Of the newest socket.
    pub local: Option<SocketAddr>,
    /// What was read since the newest connection began.
    pub answer: String,
}

impl Sockets {
    pub fn new(to: SocketAddr, kind: Kind, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { to, from: None, kind, steps: steps.into_iter().collect() }
    }

    fn socket(&self) -> Result<Socket> {
        let protocol = if self.kind == Kind::Mptcp { Protocol::MPTCP } else { Protocol::TCP };
        let socket = Socket::new(Domain::for_address(self.to), Type::STREAM, Some(protocol))?;
        socket.set_tcp_nodelay(true).or_else(|error| if self.kind == Kind::Mptcp { Ok(()) } else { Err(error) })?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        if self.kind == Kind::FastOpen {
            fast_open_connect(&socket)?;
        }
        if let Some(from) = self.from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        Ok(socket)
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Script for Sockets {
    const TOOL: Tool = Tool::Sockets;
    type Report = Report;

    fn play(self, owner: &mut Owner) -> Result<Report> {
        let mut held: Option<Socket> = None;
        let mut report = Report::default();
        let mut answer = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let mut go = || -> Result<()> {
                match step {
                    Step::Socket => held = Some(self.socket()?),
                    Step::Connect => {
                        let socket = match held.take() {
                            Some(socket) => socket,
                            None => self.socket()?,
                        };
                        answer.clear();
                        socket.connect(&self.to.into()).with_context(|| format!("connect {}", self.to))?;
                        held = Some(socket);
                    }
                    Step::Send(data) => the(&mut held)?.write_all(data)?,
                    Step::Urgent(data) => {
                        the(&mut held)?.send_out_of_band(data)?;
                    }
                    Step::Answer(text) => {
                        while !answer.windows(text.len()).any(|w| w == text.as_bytes()) {
                            if !read(the(&mut held)?, &mut answer)? {
                                bail!("closed; the answer so far is {}", String::from_utf8_lossy(&answer));
                            }
                        }
                    }
                    Step::Ended => while read(the(&mut held)?, &mut answer)? {},
                    Step::ShutDown => the(&mut held)?.shutdown(std::net::Shutdown::Write)?,
                    Step::Close => held = None,
                    Step::Reset => {
                        the(&mut held)?.set_linger(Some(Duration::ZERO))?;
                        held = None;
                    }
                    Step::Move(cgroup) => std::fs::write(cgroup.join("cgroup.procs"), "0")?,
                    Step::Give(path) => {
                        give(the(&mut held)?, path, owner)?;
                        held = None;
                    }
                    Step::Take(path) => held = Some(take(path)?),
                    Step::Steal { process, peer } => held = Some(steal::socket_to(*process, *peer)?.into()),
                    Step::Wait(label) => owner.wait(label)?,
                }
                Ok(())
            };
            go().with_context(|| format!("step {number}, {step:?}"))?;
            if let Some(socket) = &held {
                report.local = socket.local_addr().ok().and_then(|address| address.as_socket());
            }
        }
        report.answer = String::from_utf8_lossy(&answer).into_owned();
        Ok(report)
    }
}

fn the(held: &mut Option<Socket>) -> Result<&mut Socket> {
    held.as_mut().context("there is no connection")
}

fn read(socket: &mut Socket, answer: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let length = socket.read(&mut buffer)?;
    answer.extend_from_slice(&buffer[..length]);
    Ok(length > 0)
}

fn give(socket: &Socket, path: &PathBuf, owner: &mut Owner) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    owner.wait("give")?;
    let (taker, _) = listener.accept()?;
    let fds = [socket.as_raw_fd()];
    socket::sendmsg::<()>(
        taker.as_raw_fd(),
        &[IoSlice::new(b"x")],
        &[ControlMessage::ScmRights(&fds)],
        MsgFlags::empty(),
        None,
    )?;
    Ok(())
}

fn take(path: &PathBuf) -> Result<Socket> {
    let giver = UnixStream::connect(path)?;
    let mut octet = [0];
    let mut octets = [IoSliceMut::new(&mut octet)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let message = socket::recvmsg::<()>(giver.as_raw_fd(), &mut octets, Some(&mut space), MsgFlags::empty())?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control
            && let [fd] = fds[..]
        {
            // SAFETY: the kernel has just made this descriptor for us.
            return Ok(Socket::from(unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    bail!("no socket was given")
}

/// The first write after `connect` is what connects.
fn fast_open_connect(socket: &Socket) -> Result<()> {
    set(socket, libc::TCP_FASTOPEN_CONNECT, 1)
}

/// Sets an option of TCP that socket2 does not know.
pub(super) fn set(socket: &Socket, option: i32, value: i32) -> Result<()> {
    let fd = SockRef::from(socket).as_raw_fd();
    let size = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the option's value is an int that lives through the call.
    let outcome = unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, option, (&raw const value).cast(), size) };
    nix::errno::Errno::result(outcome).with_context(|| format!("option {option} of TCP"))?;
    Ok(())
}
