//! The lab's tools do what their scripts say, to the real backend.

mod h2_raw;
mod raw_tcp;
mod sockets;
