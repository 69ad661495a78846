use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::*;

/// The token that a kubeconfig with this user comes to.
fn token(user: &Value) -> anyhow::Result<String> {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    });
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Bearer::new(None, &config)?.value().await
    })
}

#[test]
fn a_kubeconfigs_token_is_its_own_that_of_its_file_or_that_of_its_program() {
    let file = std::env::temp_dir().join(format!("bearer-{}", std::process::id()));
    std::fs::write(&file, "of-a-file").unwrap();
    let answer = r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "of-a-program"}}"#;
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "echo", "args": [answer], "interactiveMode": "Never",
    });
    for (user, wanted) in [
        (json!({"token": "its-own"}), "its-own"),
        (json!({"tokenFile": file}), "of-a-file"),
        (json!({"exec": exec}), "of-a-program"),
    ] {
        assert_eq!(token(&user).unwrap(), wanted, "{user}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_user_without_a_token_is_told_what_to_do_and_a_password_is_not_shown_to_the_verifier() {
    for user in [json!({}), json!({"username": "jane", "password": "secret"})] {
        let told = format!("{:#}", token(&user).unwrap_err());
        assert!(told.starts_with("--token-file is needed") && !told.contains("secret"), "{told}");
    }
}
