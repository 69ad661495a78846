//! Bounds, and the key of the digests.

use std::fmt;

/// Shared by every stream of a program (in an `Arc`: a stream holds one pointer to it).
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Key of the head digests (SipHash-1-3). The same at both ends of a connection, so: one per installation.
    pub digest_key: [u8; 16],
    /// Octets of one message head, and of one trailer section (Envoy's own default is 60 KiB).
    pub max_head: u32,
    /// Field lines of one head (Envoy's own default is 100).
    pub max_fields: u16,
    /// Octets held out of order per stream, bookkeeping included.
    pub max_out_of_order: u32,
    /// Octets of heads, chunk descriptions and frame headers that wait for an acknowledgement, per stream.
    pub max_unacknowledged: u32,
    /// Octets of one chunk-size line (RFC 9112 section 7.1), extensions included.
    pub max_chunk_line: u16,
    /// Requests of one connection that wait for their response.
    pub max_pipelined: u16,
    /// HTTP/2: octets of the header table that a sender may ask for (RFC 7541 section 4.2; Envoy's own is 4096).
    pub max_header_table: u32,
    /// HTTP/2: CONTINUATION frames of one header block.
    pub max_continuations: u16,
    /// HTTP/2: open streams of one connection that are remembered.
    pub max_streams: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            digest_key: [0; 16],
            max_head: 64 * 1024,
            max_fields: 256,
            max_out_of_order: 1024 * 1024,
            max_unacknowledged: 256 * 1024,
            max_chunk_line: 1024,
            max_pipelined: 1024,
            max_header_table: 64 * 1024,
            max_continuations: 64,
            max_streams: 1024,
        }
    }
}

/// Without the key, which would undo the digests.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("max_head", &self.max_head)
            .field("max_fields", &self.max_fields)
            .field("max_out_of_order", &self.max_out_of_order)
            .field("max_unacknowledged", &self.max_unacknowledged)
            .field("max_chunk_line", &self.max_chunk_line)
            .field("max_pipelined", &self.max_pipelined)
            .field("max_header_table", &self.max_header_table)
            .field("max_continuations", &self.max_continuations)
            .field("max_streams", &self.max_streams)
            .finish_non_exhaustive()
    }
}
