use super::*;

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn an_agents_token_names_its_node_and_nothing_else_and_ends() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let installation = Installation::new("waypoint-verify", now).unwrap();
    let signer = Signer::new(&installation.account_seed).unwrap();
    let user = KeyPair::new_user();
    let token = signer.agent(&user.public_key(), &Names::new("lab"), "node-1", now, Duration::from_secs(600)).unwrap();
    let claims = claims(&token);
    assert_eq!(claims["iss"], installation.account);
    assert_eq!(claims["sub"], user.public_key());
    assert_eq!(claims["exp"], 1_000_600);
    let allowed = [&claims["nats"]["pub"]["allow"], &claims["nats"]["sub"]["allow"]];
    assert_eq!(*allowed[0], json!(["wv.v1.lab.node-1.*", "$JS.API.DIRECT.GET.WV-lab_watch.wv-watch.v1.lab.node-1"]));
    assert_eq!(*allowed[1], json!(["wv-tick.v1.lab", "wv-watch.v1.lab.node-1", "_INBOX_lab_node-1.>"]));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let account = KeyPair::from_public_key(&installation.account).unwrap();
    account.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[test]
fn only_keys_of_users_are_signed() {
    let installation = Installation::new("waypoint-verify", UNIX_EPOCH).unwrap();
    let signer = Signer::new(&installation.account_seed).unwrap();
    for wrong in ["", "U", "nonsense", &installation.account] {
        let refused = signer.agent(wrong, &Names::new("lab"), "node-1", UNIX_EPOCH, Duration::from_secs(1));
        assert!(matches!(refused, Err(KeyError::NotAUser { .. })), "{wrong}");
    }
}
