//! Objects of a cluster that could declare a path, asked for once: for commands, and for kinds that nobody watches.

use std::sync::Arc;

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::discovery::{Discovery, verbs};

use crate::manifest::{Object, ObjectKey, Problem};
use crate::routes::matters;

/// Objects asked for at once.
const PAGE: u32 = 500;

/// Every object of the kinds that matter and are wanted. Kinds that may not be listed are unread, each by name.
///
/// # Errors
/// The API server does not say which kinds there are.
pub async fn list(
    client: &Client,
    is_wanted: impl Fn(&ApiResource) -> bool,
) -> Result<(Vec<Object>, Vec<Problem>), kube::Error> {
    let discovery = Discovery::new(client.clone()).run().await?;
    let (mut objects, mut unread) = (Vec::new(), Vec::new());
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if !capabilities.supports_operation(verbs::LIST)
                || !matters(&resource.group, &resource.kind, &resource.version)
                || !is_wanted(&resource)
            {
                continue;
            }
            match list_kind(client, &resource).await {
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
}

async fn list_kind(client: &Client, resource: &ApiResource) -> Result<Vec<Object>, kube::Error> {
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
