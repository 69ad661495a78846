//! Cilium's Gateway API controller (xtask/go/gateway-controller): the part of Cilium's operator that makes Services and Envoy's
//! configuration of Gateways and routes, as a program of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::{CILIUM, is_built_of, toolchain, tools};

const MODULE: &str = "gateway-controller";
/// Whatever changes one of these builds another program.
const SOURCES: [&str; 5] = ["main.go", "go.mod", "go.sum", "mcs-api/go.mod", "mcs-api/annotation.go"];

pub(super) fn binary() -> PathBuf {
    tools().join(format!("{MODULE}-{}", CILIUM.version()))
}

pub(super) fn install() -> Result<bool> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(MODULE);
    let read =
        |name: &str| fs::read_to_string(source.join(name)).with_context(|| source.join(name).display().to_string());
    let wanted = SOURCES.iter().map(|name| read(name)).collect::<Result<String>>()?;
    // What it was built of stands beside it.
    let built_of = tools().join(format!("{MODULE}.built-of"));
    if is_built_of(&binary(), &built_of, wanted.as_bytes()) {
        return Ok(false);
    }
    println!(
        "setup: building the Gateway API controller of Cilium {} (for tests; about 3 minutes on two cores the first time)",
        CILIUM.version()
    );
    let start = Instant::now();
    fs::create_dir_all(tools())?;
    let _ = fs::remove_file(&built_of);
    toolchain::build(MODULE, &["-ldflags=-s -w", "."], &binary())?;
    // Last, so that what is there is whole.
    fs::write(built_of, wanted)?;
    println!("setup: that took {} s", start.elapsed().as_secs());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::GATEWAY_API;

    /// The definitions that tests install, the controller that reads them, and the cluster of `xtask kind` are of the same versions.
    #[test]
    fn controller_definitions_and_pins_are_of_one_version() {
        let read = |name: &str| fs::read_to_string(crate::workspace().join(name)).unwrap();
        let module = read("xtask/go/gateway-controller/go.mod");
        for definitions in [&CILIUM, &GATEWAY_API] {
            let required = format!("{} {}", definitions.module(), definitions.version());
            assert!(module.contains(&required), "go.mod does not have {required}");
        }
        let pins = read("kind/pins.yaml");
        for line in [
            format!("gatewayApi: {{version: {}, channel: standard}}", GATEWAY_API.version()),
            format!("cilium: {}", CILIUM.version().trim_start_matches('v')),
        ] {
            assert!(pins.contains(&line), "kind/pins.yaml does not have {line}");
        }
    }
}
