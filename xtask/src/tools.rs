//! Tools that attacks and rare clients need inside a place of the lab: `xtask tool NAME` reads its script, a line of JSON, from
//! standard input and answers with lines of JSON. `Running` is the owner's end.
//!
//! A script is plain data of this library, so that who writes one needs no JSON.

pub mod datagrams;
pub mod h2_raw;
mod owner;
pub mod packets;
pub mod raw_tcp;
mod running;
pub mod serve;
pub mod sockets;
pub mod sockmap;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lab::place::Place;
use owner::Owner;
pub use running::Running;

/// What a tool is told to do.
pub trait Script: Serialize + DeserializeOwned {
    const TOOL: Tool;
    /// What came of it.
    type Report: Serialize + DeserializeOwned;

    /// Does it, in the process of the tool.
    fn play(self, owner: &mut Owner) -> Result<Self::Report>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// A TCP client of its own, over raw sockets.
    RawTcp,
    /// An HTTP/2 client of frames.
    H2Raw,
    /// MPTCP, Fast Open, sockets that change hands.
    Sockets,
    /// A server at a listener of a rarer form.
    Serve,
    /// UDP and other protocols.
    Datagrams,
    /// A receiver of UDP.
    Receive,
    /// Holds a packet socket.
    Packets,
    /// A connection past all IP hooks.
    Sockmap,
}

/// Runs a script to its end.
pub fn run<S: Script>(place: &Place, script: &S) -> Result<S::Report> {
    start(place, script)?.finish()
}

/// Starts a script; the caller lets its waiting steps go on.
pub fn start<S: Script>(place: &Place, script: &S) -> Result<Running<S::Report>> {
    Running::start(place, S::TOOL, script)
}

/// `xtask tool NAME`.
pub fn main(tool: Tool) -> Result<()> {
    match tool {
        Tool::RawTcp => owner::serve::<raw_tcp::RawTcp>(),
        Tool::H2Raw => owner::serve::<h2_raw::H2Raw>(),
        Tool::Sockets => owner::serve::<sockets::Sockets>(),
        Tool::Serve => owner::serve::<serve::Serve>(),
        Tool::Datagrams => owner::serve::<datagrams::Datagrams>(),
        Tool::Receive => owner::serve::<datagrams::Receive>(),
        Tool::Packets => owner::serve::<packets::Packets>(),
        Tool::Sockmap => owner::serve::<sockmap::Sockmap>(),
    }
}

/// The name on the command line.
fn name(tool: Tool) -> String {
    tool.to_possible_value().expect("no tool is skipped").get_name().to_owned()
}
