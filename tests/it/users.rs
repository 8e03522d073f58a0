//! Those who may log in, and a client that proves to be one of them by SCRAM.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit as _, Mac as _};
use maiasaura::credentials::{Credentials, Entry, Table, write};
use maiasaura::server::{LoginSettings, Logins, Networks};
use maiasaura::smtp::Attempt;
use maiasaura::smtp::sasl::{Exchange, Keys, Mechanism, Terms, Turn, decode, encode};
use maiasaura::smtp::{Reply, reply};
use sha2::{Digest as _, Sha256};

/// Password of alice, who has keys for SCRAM as well.
pub const PASSWORD: &str = "open sesame";
/// What the world of the transcripts offers.
pub const MECHANISMS: [Mechanism; 3] = [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];

/// A file of users with alice, and bob, who has no keys for SCRAM. Their hashes are quick.
pub fn file() -> String {
    FILE.clone()
}

/// Keys take a while to make.
static FILE: LazyLock<String> = LazyLock::new(made);
static USERS: LazyLock<Table> = LazyLock::new(|| Table::parse(&FILE).expect("it is sound"));

fn made() -> String {
    let alice = Entry {
        hash: Some(quick(PASSWORD)),
        keys: Some(Keys::new(PASSWORD, b"salt of alice".to_vec(), 4096)),
        certificates: Vec::new(),
    };
    let bob = Entry {
        hash: Some(quick("mellon")),
        ..Entry::default()
    };
    let text = write("# users\n", "alice", Some(&alice)).expect("a name");
    write(&text, "bob", Some(&bob)).expect("a name")
}

/// A hash of argon2id that takes no time.
pub fn quick(password: &str) -> String {
    hash(password, 1)
}

/// One that takes a while, with so many passes over its memory.
pub fn hash(password: &str, passes: u32) -> String {
    let parameters = Params::new(8, passes, 1, None).expect("they are allowed");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut hash = [0; 32];
    argon2
        .hash_password_into(password.as_bytes(), b"saltsaltsalt", &mut hash)
        .expect("it is a password");
    let hash = encode(&hash);
    let hash = hash.trim_end_matches('=');
    format!("$argon2id$v=19$m=8,t={passes},p=1$c2FsdHNhbHRzYWx0${hash}")
}

/// The same for a server.
pub fn logins(plain_if_local: bool) -> Logins {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("users");
    std::fs::write(&path, file()).expect("a file can be written");
    let credentials = Credentials::open(&path).expect("it is sound");
    let settings = LoginSettings {
        mechanisms: MECHANISMS.to_vec(),
        plain_if_local,
        delay: Duration::from_millis(1),
        failures_per_ip: 0,
        remembered: Duration::from_mins(10),
        exempt: Networks::default(),
    };
    Logins::new(settings, Arc::new(credentials))
}

/// The driver's part of a login, without time and threads.
#[derive(Default)]
pub struct Desk(Option<Exchange>);

/// What becomes of it.
pub enum Said {
    Challenge(Vec<u8>),
    Verdict(Result<String, Reply>),
}

impl Desk {
    pub fn take(&mut self, attempt: Attempt) -> Said {
        let users = &*USERS;
        let turn = match attempt {
            Attempt::Begin(mechanism, initial) => {
                let terms = Terms {
                    nonce: "nonce".into(),
                    ..Terms::default()
                };
                let exchange = self.0.insert(Exchange::new(mechanism, terms));
                exchange.respond(initial.as_deref())
            }
            Attempt::Response(response) => {
                let exchange = self.0.as_mut().expect("it has begun");
                exchange.respond(Some(&response))
            }
        };
        let turn = match (turn, &mut self.0) {
            (Turn::Keys(login), Some(exchange)) => exchange.keys(users.keys(&login)),
            (turn, _) => turn,
        };
        match turn {
            Turn::Challenge(challenge) => Said::Challenge(challenge),
            Turn::Password(claim) if users.has_password(&claim) => Said::Verdict(Ok(claim.login)),
            Turn::Proved(login) => Said::Verdict(Ok(login)),
            Turn::Failed(fault) => Said::Verdict(Err(fault.reply())),
            _ => Said::Verdict(Err(reply::BAD_CREDENTIALS)),
        }
    }
}

/// The client's half of SCRAM-SHA-256 (RFC 5802 section 3).
pub struct Scram {
    password: String,
    header: String,
    binding: Vec<u8>,
    bare: String,
}

impl Scram {
    /// For a client that binds nothing.
    pub fn new(login: &str, password: &str) -> Self {
        Self::bound(login, password, "n,,", &[])
    }

    /// With this `gs2-header`, and the data of that binding.
    pub fn bound(login: &str, password: &str, header: &str, binding: &[u8]) -> Self {
        Self {
            password: password.into(),
            header: header.into(),
            binding: binding.to_vec(),
            bare: format!("n={login},r=fyko+d2lbbFgONRv9qkxdawL"),
        }
    }

    /// The initial response, in base64.
    pub fn first(&self) -> String {
        encode(format!("{}{}", self.header, self.bare).as_bytes())
    }

    /// The answer to a challenge in base64, and what the server must then prove itself with.
    pub fn last(&self, challenge: &str) -> (String, String) {
        let said = decode(challenge.as_bytes()).expect("it is base64");
        let said = String::from_utf8(said).expect("it is text");
        let value = |name: &str| {
            let found = said.split(',').find_map(|it| it.strip_prefix(name));
            found.expect("it is there").to_owned()
        };
        let salt = decode(value("s=").as_bytes()).expect("it is base64");
        let iterations = value("i=").parse().expect("a number");
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(self.password.as_bytes(), &salt, iterations, &mut salted);
        let binding = [self.header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},r={}", encode(&binding), value("r="));
        let told = format!("{},{said},{without_proof}", self.bare);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&Sha256::digest(client_key), told.as_bytes());
        let pairs = client_key.iter().zip(signature);
        let proof: Vec<u8> = pairs.map(|(key, signature)| key ^ signature).collect();
        let server = hmac(&hmac(&salted, b"Server Key"), told.as_bytes());
        (
            encode(format!("{without_proof},p={}", encode(&proof)).as_bytes()),
            encode(format!("v={}", encode(&server)).as_bytes()),
        )
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
