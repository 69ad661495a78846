//! `xtask tool packets`: holds a packet socket, as a TCP of somebody's own in user space would.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::owner::Owner;
use super::{Script, Tool};

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Packets {}

/// All protocols, in network order.
const ETH_P_ALL: i32 = (libc::ETH_P_ALL as u16).to_be() as i32;

impl Script for Packets {
    const TOOL: Tool = Tool::Packets;
    type Report = ();

    /// Until released, or killed.
    fn play(self, owner: &mut Owner) -> Result<()> {
        let _socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ETH_P_ALL)))?;
        owner.wait("held")
    }
}
