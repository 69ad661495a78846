//! Who may write what on the bus: NATS' own JSON web tokens (version 2, `ed25519-nkey`), signed here.
//!
//! An operator key signs one account, the account signs users: the verifier's own, and for each agent a short-lived one
//! that names its node. What makes an agent's node certain is not decided here (`verifier::admit`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

use super::subject::Names;

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{what}: {error}")]
    Key { what: &'static str, error: nkeys::error::Error },
    #[error("{got} is no public key of a NATS user (they begin with U)")]
    NotAUser { got: String },
}

/// The keys of one installation, as text; made once.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Signs users; whoever has it may write anything.
    pub account_seed: String,
    pub operator_jwt: String,
    pub account_jwt: String,
    pub account: String,
    /// The server's own account, which it demands. Nobody has its key: it is forgotten here.
    system: (String, String),
}

impl Installation {
    pub fn new(name: &str, now: SystemTime) -> Result<Self, KeyError> {
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let claims = json!({"type": "operator", "version": 2});
        let operator_jwt = sign(&operator, &operator.public_key(), name, claims, now, None)?;
        let unlimited = -1;
        let limits = json!({
            "subs": unlimited, "data": unlimited, "payload": unlimited, "conn": unlimited, "leaf": 0,
            "imports": 0, "exports": 0, "wildcards": true,
            "mem_storage": 0, "disk_storage": unlimited, "streams": unlimited, "consumer": unlimited,
        });
        let claims =
            json!({"type": "account", "version": 2, "limits": limits, "default_permissions": {"pub": {}, "sub": {}}});
        let account_jwt = sign(&operator, &account.public_key(), "waypoint-verify", claims, now, None)?;
        let system = KeyPair::new_account();
        let claims = json!({"type": "account", "version": 2, "limits": {"conn": 0, "leaf": 0, "wildcards": true}});
        let system_jwt = sign(&operator, &system.public_key(), "system", claims, now, None)?;
        let account_seed = account.seed().map_err(|error| KeyError::Key { what: "the account's seed", error })?;
        Ok(Self {
            account_seed,
            operator_jwt,
            account_jwt,
            account: account.public_key(),
            system: (system.public_key(), system_jwt),
        })
    }

    /// The part of a server's configuration that says whom it trusts.
    pub fn trust(&self) -> String {
        let (system, system_jwt) = &self.system;
        format!(
            "operator: {}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{\n  {}: {}\n  {system}: {system_jwt}\n}}\n",
            self.operator_jwt, self.account, self.account_jwt
        )
    }

    /// The whole configuration of a server where manifests/install runs it.
    pub fn server_configuration(&self) -> String {
        format!(
            "# Made by `waypoint-verify bus init`.\n\
             port: 4222\njetstream {{\n  store_dir: \"/data\"\n}}\n\
             tls {{\n  cert_file: \"/etc/nats/tls/tls.crt\"\n  key_file: \"/etc/nats/tls/tls.key\"\n}}\n\
             # Used where there are several (manifests/overlays/nats-3).\n\
             cluster {{\n  tls {{\n    cert_file: \"/etc/nats/tls/tls.crt\"\n    key_file: \"/etc/nats/tls/tls.key\"\n    \
             ca_file: \"/etc/nats/ca/ca.crt\"\n    verify: true\n  }}\n}}\n{}",
            self.trust()
        )
    }
}

/// Signs users of one account.
#[derive(Debug)]
pub struct Signer {
    account: KeyPair,
}

impl Signer {
    pub fn new(account_seed: &str) -> Result<Self, KeyError> {
        let account = KeyPair::from_seed(account_seed.trim())
            .map_err(|error| KeyError::Key { what: "the account's seed", error })?;
        Ok(Self { account })
    }

    /// For an agent: to publish evidence of this node, to read its part of the watch list, to hear ticks. Nothing else.
    pub fn agent(
        &self,
        user: &str,
        names: &Names,
        node: &str,
        now: SystemTime,
        life: Duration,
    ) -> Result<String, KeyError> {
        let publish = [names.evidence_of(node), names.part_request(node)];
        let subscribe = [names.ticks(), names.part(node), format!("{}.>", names.inbox(node))];
        let claims = json!({
            "type": "user", "version": 2, "subs": 16, "data": -1, "payload": super::MAX_MESSAGE,
            "pub": {"allow": publish}, "sub": {"allow": subscribe},
            "allowed_connection_types": ["STANDARD"],
        });
        self.user(user, &format!("agent of {node}"), claims, now, Some(life))
    }

    /// For the verifier itself.
    pub fn verifier(&self, user: &str, now: SystemTime) -> Result<String, KeyError> {
        let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
        self.user(user, "verifier", claims, now, None)
    }

    fn user(
        &self,
        user: &str,
        name: &str,
        claims: Value,
        now: SystemTime,
        life: Option<Duration>,
    ) -> Result<String, KeyError> {
        let is_user = KeyPair::from_public_key(user).is_ok_and(|key| key.key_pair_type() == KeyPairType::User);
        if !is_user {
            return Err(KeyError::NotAUser { got: user.chars().take(64).collect() });
        }
        sign(&self.account, user, name, claims, now, life)
    }
}

fn sign(
    issuer: &KeyPair,
    subject: &str,
    name: &str,
    nats: Value,
    now: SystemTime,
    life: Option<Duration>,
) -> Result<String, KeyError> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Its id is the key of a user that is made for one agent at one time.
    let id = format!("{subject}-{}", seconds(now));
    let mut claims = json!({
        "jti": id, "iat": seconds(now), "iss": issuer.public_key(), "name": name, "sub": subject, "nats": nats,
    });
    if let Some(life) = life {
        claims["exp"] = json!(seconds(now + life));
    }
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = issuer.sign(signed.as_bytes()).map_err(|error| KeyError::Key { what: "signing a token", error })?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests;
