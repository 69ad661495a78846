//! Sockets of a process's network namespace, as /proc and sock_diag list them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use nix::libc;
use nix::sched::{CloneFlags, setns};

use super::procfs::parse_address;

/// A connection, or a listening socket (whose remote end is unspecified).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub inode: u64,
    pub listens: bool,
    /// Something can still come over it.
    pub brings: bool,
}

/// Listening sockets, and connections. `None`: the process is gone.
pub fn tcp(proc_root: &Path, pid: u32) -> Option<Vec<TcpSocket>> {
    let net = proc_root.join(pid.to_string()).join("net");
    let v4 = fs::read_to_string(net.join("tcp")).ok()?;
    let v6 = fs::read_to_string(net.join("tcp6")).unwrap_or_default();
    Some(parse_tcp(&v4).into_iter().chain(parse_tcp(&v6)).collect())
}

pub(super) fn parse_tcp(text: &str) -> Vec<TcpSocket> {
    const LISTEN: &str = "0A";
    // ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSING: whoever dialled may still send, or has sent what is not yet read.
    const BRINGS: [&str; 4] = ["01", "04", "05", "0B"];
    // CLOSE_WAIT, LAST_ACK: what it brought may still be worked on.
    const HALF: [&str; 2] = ["08", "09"];
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            let state = *fields.get(3)?;
            let listens = state == LISTEN;
            let (local, remote) = (canonical(parse_address(fields[1])?), canonical(parse_address(fields[2])?));
            let inode = fields.get(9)?.parse().ok()?;
            let brings = BRINGS.contains(&state);
            let there = listens || brings || HALF.contains(&state);
            there.then_some(TcpSocket { local, remote, inode, listens, brings })
        })
        .collect()
}

/// Inodes of the packet sockets, which see (and can answer) what the kernel's own TCP never does. `None`: it is gone, or
/// this kernel has none.
pub fn packet(proc_root: &Path, pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(proc_root.join(pid.to_string()).join("net/packet")).ok()?;
    Some(text.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().last()?.parse().ok()).collect())
}

/// Inodes of the raw sockets that get TCP.
pub fn raw_tcp(proc_root: &Path, pid: u32) -> Vec<u64> {
    let net = proc_root.join(pid.to_string()).join("net");
    let read = |name| fs::read_to_string(net.join(name)).unwrap_or_default();
    ["raw", "raw6"].into_iter().flat_map(|name| parse_raw_tcp(&read(name))).collect()
}

/// The protocol stands where a port would.
pub(super) fn parse_raw_tcp(text: &str) -> Vec<u64> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            let is_tcp = parse_address(fields.get(1)?)?.port() == 6;
            is_tcp.then(|| fields.get(9)?.parse().ok())?
        })
        .collect()
}

/// Paths on which a unix socket listens: a way that no IP hook sees.
pub fn unix_listeners(proc_root: &Path, pid: u32) -> Vec<String> {
    let text = fs::read_to_string(proc_root.join(pid.to_string()).join("net/unix")).unwrap_or_default();
    parse_unix_listeners(&text)
}

pub(super) fn parse_unix_listeners(text: &str) -> Vec<String> {
    const ACCEPTS: u32 = 1 << 16;
    text.lines()
        .skip(1)
        .filter_map(|line| {
            // Num RefCount Protocol Flags Type St Inode Path; a path may hold spaces.
            let mut fields = line.split_ascii_whitespace();
            let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
            let path: Vec<_> = fields.skip(3).collect();
            (flags & ACCEPTS != 0 && !path.is_empty()).then(|| path.join(" "))
        })
        .collect()
}

/// How many sockets of an address family there are in the process's network namespace, by sock_diag.
///
/// # Errors
/// If the namespace cannot be entered (CAP_SYS_ADMIN), or the kernel cannot list this family.
pub fn count(proc_root: &Path, pid: u32, family: u8) -> io::Result<usize> {
    let namespace = fs::File::open(proc_root.join(pid.to_string()).join("ns/net"))?;
    // A thread of its own: the namespace is entered for good.
    thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        dump(family)
    })
    .join()
    .map_err(|_| io::Error::other("the thread that lists sockets died"))?
}

pub const AF_XDP: u8 = 44;
pub const AF_VSOCK: u8 = 40;

/// One dump of NETLINK_SOCK_DIAG. The requests of packet, XDP and vsock sockets have 28 octets or fewer, and only their
/// first is not zero.
fn dump(family: u8) -> io::Result<usize> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLMSG_ERROR: u16 = 2;
    const NLMSG_DONE: u16 = 3;
    const REQUEST_AND_DUMP: u16 = 0x301;
    // include/uapi/linux: struct xdp_diag_req and struct vsock_diag_req.
    let len: usize = if family == AF_VSOCK { 24 } else { 20 };
    let mut request = vec![0u8; 16 + len];
    request[..4].copy_from_slice(&u32::try_from(16 + len).map_err(io::Error::other)?.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    request[16] = family;
    if family == AF_VSOCK {
        // Of all states.
        request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    }
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    // SAFETY: plain numbers; the descriptor is owned at once.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    nix::sys::socket::send(socket.as_raw_fd(), &request, nix::sys::socket::MsgFlags::empty())?;
    let mut found = 0;
    let mut buffer = vec![0u8; 32 << 10];
    loop {
        let got = nix::sys::socket::recv(socket.as_raw_fd(), &mut buffer, nix::sys::socket::MsgFlags::empty())?;
        let mut messages = &buffer[..got];
        while let Some(head) = messages.first_chunk::<16>() {
            let len = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
            match u16::from_ne_bytes([head[4], head[5]]) {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    let code = messages.get(16..20).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
                    return Err(io::Error::from_raw_os_error(-code));
                }
                SOCK_DIAG_BY_FAMILY => found += 1,
                _ => {}
            }
            messages = messages.get(len.max(16).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
