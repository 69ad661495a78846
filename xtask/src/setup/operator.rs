//! Parts of Cilium's operator as programs of their own (xtask/go): what makes Services and Envoy's configuration of Gateways and routes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::{CILIUM, is_built_of, toolchain, tools};

/// A module of xtask/go.
struct Program {
    module: &'static str,
    /// For people, and how long it takes where nothing of it is in Go's cache.
    about: &'static str,
    /// Below xtask/go. Whatever changes one of these builds another program.
    sources: &'static [&'static str],
}

/// The Gateway API controller, against an API server.
const CONTROLLER: Program = Program {
    module: "gateway-controller",
    about: "the Gateway API controller",
    sources: &[
        "gateway-controller/main.go",
        "gateway-controller/go.mod",
        "gateway-controller/go.sum",
        "gateway-controller/mcs-api/go.mod",
        "gateway-controller/mcs-api/annotation.go",
    ],
};

/// The same controller and that of Ingress on sets of objects, without an API server.
const TRANSLATOR: Program = Program {
    module: "gateway-translator",
    about: "the translator of Gateways and routes",
    sources: &[
        "gateway-translator/main.go",
        "gateway-translator/admissions.go",
        "gateway-translator/definitions.go",
        "gateway-translator/operator.go",
        "gateway-translator/registry.go",
        "gateway-translator/world.go",
        "gateway-translator/go.mod",
        "gateway-translator/go.sum",
        "gateway-controller/mcs-api/go.mod",
        "gateway-controller/mcs-api/annotation.go",
    ],
};

pub(super) fn controller() -> PathBuf {
    CONTROLLER.binary()
}

pub(super) fn translator() -> PathBuf {
    TRANSLATOR.binary()
}

pub(super) fn install() -> Result<bool> {
    let controller = CONTROLLER.install()?;
    Ok(TRANSLATOR.install()? || controller)
}

impl Program {
    fn binary(&self) -> PathBuf {
        tools().join(format!("{}-{}", self.module, CILIUM.version()))
    }

    fn install(&self) -> Result<bool> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
        let read = |name: &&str| {
            fs::read_to_string(folder.join(name)).with_context(|| folder.join(name).display().to_string())
        };
        let wanted = self.sources.iter().map(read).collect::<Result<String>>()?;
        // What it was built of stands beside it.
        let built_of = tools().join(format!("{}.built-of", self.module));
        if is_built_of(&self.binary(), &built_of, wanted.as_bytes()) {
            return Ok(false);
        }
        println!(
            "setup: building {} of Cilium {} (for tests; about 3 minutes on two cores the first time)",
            self.about,
            CILIUM.version()
        );
        let start = Instant::now();
        fs::create_dir_all(tools())?;
        let _ = fs::remove_file(&built_of);
        toolchain::build(self.module, &["-ldflags=-s -w", "."], &self.binary())?;
        // Last, so that what is there is whole.
        fs::write(built_of, wanted)?;
        println!("setup: that took {} s", start.elapsed().as_secs());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::GATEWAY_API;

    /// The definitions that tests install, the programs that read them, and the cluster of `xtask kind` are of the same versions.
    #[test]
    fn programs_definitions_and_pins_are_of_one_version() {
        let read = |name: &str| fs::read_to_string(crate::workspace().join(name)).unwrap();
        for program in [CONTROLLER, TRANSLATOR] {
            let module = read(&format!("xtask/go/{}/go.mod", program.module));
            for definitions in [&CILIUM, &GATEWAY_API] {
                let required = format!("{} {}", definitions.module(), definitions.version());
                assert!(module.contains(&required), "go.mod of {} does not have {required}", program.module);
            }
        }
        let pins = read("kind/pins.yaml");
        for line in [
            format!("gatewayApi: {{version: {}, channel: standard}}", GATEWAY_API.version()),
            format!("cilium: {}", CILIUM.version().trim_start_matches('v')),
        ] {
            assert!(pins.contains(&line), "kind/pins.yaml does not have {line}");
        }
    }

    /// A file that is not named would change the program without its being built again.
    #[test]
    fn every_source_of_a_program_is_named() {
        for program in [CONTROLLER, TRANSLATOR] {
            for entry in fs::read_dir(crate::workspace().join("xtask/go").join(program.module)).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{}/{}", program.module, entry.file_name().display());
                assert!(entry.path().is_dir() || program.sources.contains(&name.as_str()), "{name}");
            }
        }
    }
}
