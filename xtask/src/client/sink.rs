//! `xtask sink`: reads whatever body is sent to a unix socket, and says how long it was. Caddy's `respond` does not read bodies, and
//! closes a connection with a large one; behind a unix socket nothing of this is network traffic.

use std::io::{BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context, Result};

use super::response;

pub fn main(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || serve(stream));
    }
    Ok(())
}

fn serve(stream: UnixStream) -> Result<()> {
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    while let Some((_, headers)) = response::head(&mut reader)? {
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect")) {
            reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let (length, _) = response::body(&mut reader, &headers, false, 0)?;
        let body = format!("received {length}\n");
        reader
            .get_mut()
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
    Ok(())
}
