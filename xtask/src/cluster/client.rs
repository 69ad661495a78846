//! A client of the API server for tests, which wait for each answer: `kube` behind a runtime of its own.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Who writes, as the server's managed fields call it.
const MANAGER: &str = "xtask";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be started")
});

/// Somebody's access to the API server.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    namespace: String,
    /// Those that were asked for: their definition stays as it is.
    kinds: Arc<Mutex<Kinds>>,
}

type Kinds = HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>;

impl Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Client {
    /// Whoever this file is for.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let read = Kubeconfig::read_from(kubeconfig).with_context(|| kubeconfig.display().to_string())?;
        let kube = RUNTIME.block_on(async {
            let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
            Ok::<_, anyhow::Error>(kube::Client::try_from(config)?)
        })?;
        let namespace = kube.default_namespace().to_owned();
        Ok(Self { kube, namespace, kinds: Arc::default() })
    }

    pub fn kube(&self) -> kube::Client {
        self.kube.clone()
    }

    /// Waits for an answer.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        RUNTIME.block_on(future)
    }

    /// Objects of a kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.kube(), namespace)
    }

    pub fn get<K>(&self, namespace: &str, name: &str) -> Result<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        let kind = K::kind(&K::DynamicType::default()).into_owned();
        self.run(self.api::<K>(namespace).get(name)).with_context(|| format!("{kind} {namespace}/{name}"))
    }

    /// What the server says at a path (`/readyz`, `/apis`).
    pub fn get_text(&self, path: &str) -> Result<String> {
        let request = http::Request::get(path).body(Vec::new())?;
        self.run(self.kube.request_text(request)).with_context(|| path.to_owned())
    }

    /// Every document of a text, by server-side apply. What the server does not know of is an error, not dropped.
    pub fn apply(&self, text: &str) -> Result<Vec<DynamicObject>> {
        documents(text)?.into_iter().map(|object| self.apply_one(object)).collect()
    }

    pub fn apply_file(&self, path: &Path) -> Result<Vec<DynamicObject>> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        self.apply(&text).with_context(|| path.display().to_string())
    }

    pub fn apply_one(&self, object: DynamicObject) -> Result<DynamicObject> {
        let shown = shown(&object);
        let name = object.metadata.name.clone().with_context(|| format!("{shown} has no name"))?;
        let api = self.api_of(&object).with_context(|| shown.clone())?;
        let how = PatchParams::apply(MANAGER).force().validation_strict();
        self.run(api.patch(&name, &how, &Patch::Apply(&object))).map_err(said).with_context(|| shown)
    }

    /// One object, by POST: reviews have no name, and of some kinds each is made once.
    pub fn create(&self, object: &Value) -> Result<DynamicObject> {
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let shown = shown(&object);
        let api = self.api_of(&object).with_context(|| shown.clone())?;
        let how = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        self.run(api.create(&how, &object)).map_err(said).with_context(|| shown)
    }

    pub fn delete(&self, object: &DynamicObject) -> Result<()> {
        let shown = shown(object);
        let name = object.metadata.name.clone().with_context(|| format!("{shown} has no name"))?;
        self.run(self.api_of(object)?.delete(&name, &kube::api::DeleteParams::default())).with_context(|| shown)?;
        Ok(())
    }

    /// Where objects like this one are kept.
    pub fn api_of(&self, object: &DynamicObject) -> Result<Api<DynamicObject>> {
        let types = object.types.as_ref().context("an object without apiVersion and kind")?;
        let (resource, capabilities) = self.discover(&GroupVersionKind::try_from(types)?)?;
        Ok(match (capabilities.scope, &object.metadata.namespace) {
            (Scope::Cluster, _) => Api::all_with(self.kube(), &resource),
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(self.kube(), namespace, &resource),
            (Scope::Namespaced, None) => Api::namespaced_with(self.kube(), &self.namespace, &resource),
        })
    }

    fn discover(&self, kind: &GroupVersionKind) -> Result<(ApiResource, ApiCapabilities)> {
        let known = || self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(kind) {
            return Ok(found.clone());
        }
        let found = self.run(kube::discovery::oneshot::pinned_kind(&self.kube, kind));
        let found = found.with_context(|| format!("{}/{} has no {}", kind.group, kind.version, kind.kind))?;
        known().insert(kind.clone(), found.clone());
        Ok(found)
    }
}

/// What the server says of a refusal, once: the error shows the same text three times.
fn said(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("{} ({})", status.message, status.code),
        other => other.into(),
    }
}

/// The objects of a YAML text, in their order.
pub fn documents(text: &str) -> Result<Vec<DynamicObject>> {
    let mut objects = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        match Value::deserialize(document)? {
            Value::Null => {}
            value @ Value::Object(_) => objects.push(serde_json::from_value(value)?),
            other => bail!("not an object: {other}"),
        }
    }
    Ok(objects)
}

/// `Kind namespace/name`.
pub fn shown(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| types.kind.as_str());
    let name = object.metadata.name.as_deref().or(object.metadata.generate_name.as_deref()).unwrap_or_default();
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
