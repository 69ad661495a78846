//! E41. The backend calls itself: by the front door, which is as good as any client's request, and by its own Service.
//!
//! Verified, and Bypassed(DirectConnection): where a request comes from does not matter, only the way.

use anyhow::Result;

use crate::attack::stage::Stage;
use crate::attack::traffic::gets;
use crate::attack::{Attack, Setting};

const EACH: usize = 4;

pub const ATTACK: Attack = Attack {
    name: "hairpin",
    source: "E41",
    about: "the backend calls itself, by the front door and by its own Service",
    setting: Setting::Shared,
    play,
};

fn play(stage: &mut Stage) -> Result<()> {
    let place = stage.lab.container("hello-backend-1", "caddy")?;
    let path = stage.legitimate("front", [("Verified", EACH as u64)]);
    gets(&place, stage.lab.gateway("hello-gateway")?, &path, EACH)?;
    let path = stage.bypass("service", [("Bypassed(DirectConnection)", EACH as u64)]);
    gets(&place, stage.lab.service("hello-backend")?, &path, EACH)?;
    Ok(())
}
