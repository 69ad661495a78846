//! The API server's own certificate authority, its certificate, and the key that signs the tokens of ServiceAccounts.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// What servers on loopback are called by: the API server, NATS, and verifiers by their Service.
const NAMES: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "kubernetes.default",
    "kubernetes.default.svc",
    "waypoint-verify-verifier.waypoint-verify.svc",
];
/// What the API server calls the kubelet.
const NODE: [&str; 1] = ["localhost"];

/// Writes ca.crt, tls.crt, tls.key, kubelet.crt, kubelet.key, service-accounts.key and service-accounts.pub.
pub(super) fn write(dir: &Path) -> Result<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    authority.distinguished_name.push(DnType::CommonName, "the tests' cluster");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let (server, server_key) = signed("kube-apiserver", &NAMES, &issuer)?;
    let (kubelet, kubelet_key) = signed("kubelet", &NODE, &issuer)?;
    let accounts = KeyPair::generate()?;
    for (name, text) in [
        ("ca.crt", authority_certificate.pem()),
        ("tls.crt", server),
        ("tls.key", server_key),
        ("kubelet.crt", kubelet),
        ("kubelet.key", kubelet_key),
        ("service-accounts.key", accounts.serialize_pem()),
        ("service-accounts.pub", accounts.public_key_pem()),
    ] {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A certificate and its key, in PEM.
fn signed(name: &str, names: &[&str], issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}
