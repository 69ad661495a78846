//! Custom resource definitions: those of Gateway API and Cilium, and our own.

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DynamicObject;

use super::ApiServer;
use crate::lab::patience;
use crate::setup::Definitions;

impl ApiServer {
    /// Installs definitions, and waits until the server serves them.
    pub fn define(&self, definitions: &Definitions) -> Result<()> {
        let mut installed = Vec::new();
        for file in definitions.files()? {
            installed.extend(self.client().apply_file(&file)?);
        }
        self.established(&installed)
    }

    /// Our own, as it is in manifests/.
    pub fn define_policies(&self) -> Result<()> {
        let installed = self.client().apply_file(&crate::crd::path())?;
        self.established(&installed)
    }

    fn established(&self, objects: &[DynamicObject]) -> Result<()> {
        let client = self.client();
        let api: Api<CustomResourceDefinition> = Api::all(client.kube());
        let is_definition = |object: &&DynamicObject| {
            object.types.as_ref().is_some_and(|types| types.kind == "CustomResourceDefinition")
        };
        for object in objects.iter().filter(is_definition) {
            let name = object.metadata.name.as_deref().context("a definition without a name")?;
            patience::wait(&format!("CustomResourceDefinition {name} to be served"), || {
                let conditions =
                    client.run(api.get(name))?.status.and_then(|status| status.conditions).unwrap_or_default();
                let refused = conditions.iter().find(|c| c.type_ == "NamesAccepted" && c.status == "False");
                ensure!(refused.is_none(), "its names are refused: {refused:?}");
                Ok(conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(()))
            })?;
        }
        Ok(())
    }
}
