//! `cargo xtask image`: the container image, by docker's buildx, for one or several architectures.

use anyhow::{Result, ensure};
use clap::Args as ClapArgs;

use crate::kind::{Program, Programs, Step};

/// As the manifests name it.
pub const TAG: &str = concat!("waypoint-verify:", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    #[arg(long, default_value = TAG)]
    tag: String,
    /// By default this machine's own (as `linux/amd64,linux/arm64`)
    #[arg(long, value_delimiter = ',')]
    platform: Vec<String>,
    /// Push it where its tag says, instead of giving it to docker
    #[arg(long)]
    push: bool,
}

/// Where the image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Docker's own store, which holds one architecture.
    Docker,
    Registry,
}

pub fn main(arguments: &Args) -> Result<()> {
    let output = if arguments.push { Output::Registry } else { Output::Docker };
    ensure!(
        output == Output::Registry || arguments.platform.len() < 2,
        "--platform: docker's own store holds one architecture; several need --push and a --tag with a registry"
    );
    let programs = Programs::find(&std::env::var_os("PATH").unwrap_or_default(), &[Program::Docker])?;
    programs.docker_answers()?;
    programs.run(&crate::workspace(), &step(&arguments.tag, &arguments.platform, output))
}

pub(crate) fn step(tag: &str, platforms: &[String], output: Output) -> Step {
    let platform = platforms.join(",");
    let mut arguments = vec!["buildx", "build", "--tag", tag];
    if !platforms.is_empty() {
        arguments.extend(["--platform", &platform]);
    }
    arguments.push(match output {
        Output::Docker => "--load",
        Output::Registry => "--push",
    });
    arguments.push(".");
    Step::new(format!("image: building {tag}"), Program::Docker, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_architectures_are_built_at_once_and_pushed() {
        let platforms = ["linux/amd64".to_owned(), "linux/arm64".to_owned()];
        let step = step("registry.example/waypoint-verify:1", &platforms, Output::Registry);
        assert_eq!(
            step.arguments.join(" "),
            "buildx build --tag registry.example/waypoint-verify:1 --platform linux/amd64,linux/arm64 --push ."
        );
    }

    #[test]
    fn one_of_this_machine_is_given_to_docker() {
        assert_eq!(
            step(TAG, &[], Output::Docker).arguments.join(" "),
            "buildx build --tag waypoint-verify:0.1.0 --load ."
        );
        let two = Args { tag: TAG.into(), platform: vec!["linux/amd64".into(), "linux/arm64".into()], push: false };
        assert!(main(&two).unwrap_err().to_string().contains("several need --push"));
    }
}
