//! kind/pins.yaml: sets of versions that belong together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Pins {
    /// Of the program `kind`, with its `v`.
    pub(super) kind: String,
    /// Image of the nodes; it carries Kubernetes.
    pub(super) node: String,
    pub(super) gateway_api: GatewayApi,
    /// Of Cilium's chart, without a `v`.
    pub(super) cilium: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayApi {
    pub(super) version: String,
    pub(super) channel: Channel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channel {
    Standard,
    Experimental,
}

impl Pins {
    pub(super) fn read(path: &Path, set: &str) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text, set).with_context(|| path.display().to_string())
    }

    pub(super) fn parse(text: &str, set: &str) -> Result<Self> {
        let mut sets: BTreeMap<String, Self> = serde_norway::from_str(text)?;
        let names = sets.keys().cloned().collect::<Vec<_>>().join(", ");
        let pins = sets.remove(set).with_context(|| format!("there is no set {set}: one of {names}"))?;
        // `kindest/node` without a version would be whatever is newest.
        ensure!(
            pins.node.rsplit('/').next().is_some_and(|name| name.contains(':')),
            "{set}.node: {} has no tag",
            pins.node
        );
        Ok(pins)
    }
}

impl GatewayApi {
    /// Where its release has the definitions of a channel.
    pub(super) fn manifest(&self) -> String {
        let file = match self.channel {
            Channel::Standard => "standard-install.yaml",
            Channel::Experimental => "experimental-install.yaml",
        };
        format!("https://github.com/kubernetes-sigs/gateway-api/releases/download/{}/{file}", self.version)
    }
}
