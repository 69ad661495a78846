//! Keys as openssl makes them: PKCS#8 and SubjectPublicKeyInfo in PEM.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use crate::recording::{Digest, Hashing};

/// What stands before the key's octets in its SubjectPublicKeyInfo (RFC 8410 section 4; RFC 5480 section 2, uncompressed).
const ED25519_INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "it holds no PKCS#8 private key without a password (-----BEGIN PRIVATE KEY-----); make one with \
         `openssl genpkey -algorithm ed25519`, or turn an older form into it with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    NoPrivate,
    #[error("it holds no public key (-----BEGIN PUBLIC KEY-----); `openssl pkey -pubout` writes that of a private key")]
    NoPublic,
    #[error("its key is neither Ed25519 nor ECDSA P-256 with an uncompressed point")]
    Kind,
    #[error("the machine's random numbers cannot be read")]
    Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
}

/// A key that others have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    octets: Vec<u8>,
}

impl PublicKey {
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NoPublic)?;
        [(Kind::Ed25519, &ED25519_INFO[..], 32), (Kind::P256, &P256_INFO, 65)]
            .into_iter()
            .find_map(|(kind, before, length)| {
                let octets = info.as_ref().strip_prefix(before).filter(|octets| octets.len() == length)?;
                Some(Self { kind, octets: octets.to_vec() })
            })
            .ok_or(KeyError::Kind)
    }

    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.kind {
            Kind::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.octets).verify(message, signature),
            Kind::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.octets).verify(message, signature),
        };
        verified.is_ok()
    }

    /// SHA-256 of its SubjectPublicKeyInfo, as `openssl pkey -pubin -outform DER | sha256sum` tells it.
    pub fn id(&self) -> Digest {
        let before = match self.kind {
            Kind::Ed25519 => &ED25519_INFO[..],
            Kind::P256 => &P256_INFO,
        };
        let mut hashing = Hashing::default();
        hashing.add(before);
        hashing.add(&self.octets);
        hashing.so_far()
    }
}

/// A key of one's own.
#[derive(Debug)]
pub enum SigningKey {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::NoPrivate)?;
        let der = key.secret_pkcs8_der();
        // openssl leaves the public key out of an Ed25519 key; it follows from the private one.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self::Ed25519(pair));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new());
        pair.map(Self::P256).map_err(|_| KeyError::Kind)
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(pair) => PublicKey { kind: Kind::Ed25519, octets: pair.public_key().as_ref().to_vec() },
            Self::P256(pair) => PublicKey { kind: Kind::P256, octets: pair.public_key().as_ref().to_vec() },
        }
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Random)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}
