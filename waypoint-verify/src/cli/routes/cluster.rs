//! Every object of a cluster that could declare a path.

use std::sync::Arc;

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::discovery::{Discovery, verbs};

use crate::cli::kube::Kube;
use crate::manifest::{Object, ObjectKey, Problem};
use crate::routes::matters;

/// Objects asked for at once.
const PAGE: u32 = 500;

/// Kinds that may not be listed are unread, each by name.
pub fn read(access: &Kube) -> anyhow::Result<(Vec<Object>, Vec<Problem>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let client = kube::Client::try_from(access.config().await?)?;
        let discovery = Discovery::new(client.clone()).run().await.context("asking the API server what it serves")?;
        let (mut objects, mut unread) = (Vec::new(), Vec::new());
        for group in discovery.groups() {
            for (resource, capabilities) in group.recommended_resources() {
                if !capabilities.supports_operation(verbs::LIST)
                    || !matters(&resource.group, &resource.kind, &resource.version)
                {
                    continue;
                }
                match list(&client, &resource).await {
                    Ok(more) => objects.extend(more),
                    Err(error) => unread.push(
                        Problem::finding(
                            format!("cannot be listed: {error}"),
                            "what objects of this kind lead to is not known; grant `list` on it, in all namespaces",
                        )
                        .at("the cluster")
                        .of(resource.kind.clone()),
                    ),
                }
            }
        }
        Ok((objects, unread))
    })
}

async fn list(client: &kube::Client, resource: &ApiResource) -> Result<Vec<Object>, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let (mut objects, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = api.list(&params).await?;
        objects.extend(page.items.into_iter().map(|item| object(resource, item)));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(objects),
        }
    }
}

fn object(resource: &ApiResource, mut item: DynamicObject) -> Object {
    // Items of a list do not repeat their type.
    item.types = Some(kube::core::TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
    let key = ObjectKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: item.metadata.namespace.clone().unwrap_or_default(),
        name: item.metadata.name.clone().unwrap_or_default(),
    };
    let json = serde_json::to_value(&item).unwrap_or_default();
    Object { key, version: resource.version.clone(), json: Arc::new(json), source: "the cluster".into() }
}
