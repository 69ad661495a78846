//! The programs of others that a cluster on this machine needs: whether they are there, and running them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::steps::Step;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Docker,
    Kind,
    Helm,
    Kubectl,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Kind => "kind",
            Self::Helm => "helm",
            Self::Kubectl => "kubectl",
        }
    }

    fn cure(self) -> &'static str {
        match self {
            Self::Docker => "runs the nodes, and builds the image: https://docs.docker.com/engine/install",
            Self::Kind => {
                "makes the cluster: `go install sigs.k8s.io/kind@VERSION`, with the version of kind/pins.yaml"
            }
            Self::Helm => "installs Cilium: https://helm.sh/docs/intro/install",
            Self::Kubectl => "talks to the cluster: https://kubernetes.io/docs/tasks/tools",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Programs {
    found: BTreeMap<Program, PathBuf>,
}

impl Programs {
    /// All of them, or every one that is missing.
    pub(crate) fn find(path: &OsStr, wanted: &[Program]) -> Result<Self> {
        let executable =
            |file: &PathBuf| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for program in wanted {
            match std::env::split_paths(path).map(|dir| dir.join(program.name())).find(executable) {
                Some(file) => {
                    found.insert(*program, file);
                }
                None => missing.push(format!("\n  {} {}", program.name(), program.cure())),
            }
        }
        ensure!(missing.is_empty(), "not in PATH:{}", missing.concat());
        Ok(Self { found })
    }

    pub(crate) fn command(&self, program: Program) -> Command {
        Command::new(self.found.get(&program).map_or_else(|| Path::new(program.name()), PathBuf::as_path))
    }

    /// The client alone is no use.
    pub(crate) fn docker_answers(&self) -> Result<()> {
        let output = self.command(Program::Docker).args(["info", "--format", "{{.ServerVersion}}"]).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "docker is installed, and its daemon does not answer: {}", told.trim());
        Ok(())
    }

    /// Images of nodes are made for one version of kind.
    pub(crate) fn kind_is(&self, wanted: &str) -> Result<()> {
        let output = self.command(Program::Kind).arg("version").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(version) = text.split_whitespace().find(|word| word.starts_with('v')) else {
            bail!("`kind version` says {text:?}: no version in it");
        };
        ensure!(
            version == wanted,
            "kind is {version}, and these pins are for {wanted}: `go install sigs.k8s.io/kind@{wanted}`, or other --pins"
        );
        Ok(())
    }

    /// One after the other, with their output shown; the first that fails ends it.
    pub(crate) fn run_all(&self, workspace: &Path, steps: &[Step]) -> Result<()> {
        steps.iter().try_for_each(|step| self.run(workspace, step))
    }

    pub(crate) fn run(&self, workspace: &Path, step: &Step) -> Result<()> {
        println!("{}", step.says);
        let mut command = self.command(step.program);
        let status = command.args(&step.arguments).current_dir(workspace).status();
        let shown = format!("{} {}", step.program.name(), step.arguments.join(" "));
        let status = status.with_context(|| format!("{shown} cannot be run"))?;
        ensure!(status.success(), "{shown}: {status}");
        Ok(())
    }
}
