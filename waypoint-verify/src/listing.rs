//! Objects of a cluster that could declare a path, asked for once: for commands, and for kinds that nobody watches.

use std::sync::Arc;

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::discovery::{ApiGroup, Discovery, verbs};

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
    let (mut objects, mut unread) = (Vec::new(), Vec::new());
    for discovery in discover(client, &mut unread).await? {
        // A kind may be served in another version than the one that its group prefers.
        for (resource, capabilities) in discovery.groups().flat_map(ApiGroup::resources_by_stability) {
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

/// What the API server serves. One group whose server is away keeps nobody from reading the others.
async fn discover(client: &Client, unread: &mut Vec<Problem>) -> Result<Vec<Discovery>, kube::Error> {
    if let Ok(all) = Discovery::new(client.clone()).run().await {
        return Ok(vec![all]);
    }
    let mut found = Vec::new();
    let others = client.list_api_groups().await?.groups.into_iter().map(|group| group.name);
    for group in std::iter::once(String::new()).chain(others).filter(|group| matters(group, "", "")) {
        match Discovery::new(client.clone()).filter(&[&group]).run().await {
            Ok(one) => found.push(one),
            Err(error) => unread.push(
                Problem::finding(
                    format!("which kinds there are of this group cannot be asked: {error}"),
                    "see whether what serves it runs (`kubectl get apiservices`)",
                )
                .at("the cluster")
                .of(format!("API group {group}")),
            ),
        }
    }
    Ok(found)
}

async fn list_kind(client: &Client, resource: &ApiResource) -> Result<Vec<Object>, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let (mut objects, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = api.list(&params).await?;
        let kind = (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str());
        objects.extend(page.items.iter().map(|item| object(kind, item)));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(objects),
        }
    }
}

/// An object of the cluster, of this group, version and kind: items of a list do not repeat their type.
pub fn object((group, version, kind): (&str, &str, &str), item: &DynamicObject) -> Object {
    let mut json = serde_json::to_value(item).unwrap_or_default();
    json["apiVersion"] = if group.is_empty() { version.into() } else { format!("{group}/{version}").into() };
    json["kind"] = kind.into();
    let (namespace, name) = (item.metadata.namespace.clone(), item.metadata.name.clone());
    let key = ObjectKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
    };
    Object { key, version: version.to_owned(), json: Arc::new(json), source: "the cluster".into() }
}
