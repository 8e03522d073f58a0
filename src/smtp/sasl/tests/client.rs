//! The client's half of SCRAM-SHA-256, straight from RFC 5802 section 3.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::smtp::sasl::{decode, encode};

pub struct Client {
    bare: String,
    password: String,
    /// `gs2-header`.
    pub header: String,
    binding: Vec<u8>,
}

impl Client {
    pub fn new(name: &str, password: &str, header: &str, binding: &[u8]) -> Self {
        let name = name.replace('=', "=3D").replace(',', "=2C");
        Self {
            bare: format!("n={name},r=rOprNGfwEbeRWgbNEkqO"),
            password: password.into(),
            header: header.into(),
            binding: binding.to_vec(),
        }
    }

    pub fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// The answer to `server-first-message`, and the signature that the server must send.
    pub fn last(&self, said: &str) -> (String, [u8; 32]) {
        let value = |name: &str| {
            let mut values = said.split(',');
            values
                .find_map(|it| it.strip_prefix(name))
                .unwrap()
                .to_owned()
        };
        let salt = decode(value("s=").as_bytes()).unwrap();
        let iterations: u32 = value("i=").parse().unwrap();
        let salted = hi(self.password.as_bytes(), &salt, iterations);
        let binding = [self.header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},r={}", encode(&binding), value("r="));
        let told = format!("{},{said},{without_proof}", self.bare);
        let client_key = hmac(&salted, b"Client Key");
        let stored_key = Sha256::digest(client_key);
        let signature = hmac(&stored_key, told.as_bytes());
        let pairs = client_key.iter().zip(signature);
        let proof: Vec<u8> = pairs.map(|(key, signature)| key ^ signature).collect();
        let last = format!("{without_proof},p={}", encode(&proof));
        (last, hmac(&hmac(&salted, b"Server Key"), told.as_bytes()))
    }
}

/// `Hi`, as it is written there: not by the crate that the server uses.
fn hi(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut last = hmac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut all = last;
    for _ in 1..iterations {
        last = hmac(password, &last);
        for (octet, next) in all.iter_mut().zip(last) {
            *octet ^= next;
        }
    }
    all
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}
