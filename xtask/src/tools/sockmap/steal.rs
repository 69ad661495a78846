//! A socket of another process, by its peer's address.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use socket2::SockRef;

use crate::lab::patience;

/// The socket of `process` whose other end has this address.
pub(in crate::tools) fn socket_to(process: u32, from: SocketAddr) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    let pidfd = Errno::result(pidfd).with_context(|| format!("process {process}"))? as i32;
    // SAFETY: the call has just made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    patience::wait(&format!("process {process} to accept {from}"), || {
        for entry in fs::read_dir(format!("/proc/{process}/fd"))?.filter_map(Result::ok) {
            let is_socket = fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            if !is_socket {
                continue;
            }
            // SAFETY: no pointers.
            let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
            let Ok(copy) = Errno::result(copy) else { continue };
            // SAFETY: the call has just made this descriptor for us.
            let copy = unsafe { OwnedFd::from_raw_fd(copy as i32) };
            let peer = SockRef::from(&copy).peer_addr().ok().and_then(|peer| peer.as_socket());
            if peer.is_some_and(|peer| (peer.ip().to_canonical(), peer.port()) == (from.ip(), from.port())) {
                return Ok(Some(copy));
            }
        }
        Ok(None)
    })
}
