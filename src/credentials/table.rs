//! All users of a file.

use core::fmt;
use std::collections::HashMap;
use std::collections::hash_map;

use blake3::Hasher;

use super::entry::{self, Entry, Fingerprint};
use super::password::{self, Hash};
use crate::smtp::sasl::{Claim, ITERATIONS, Keys};

/// Users and what they can prove to be themselves with.
#[derive(Debug, Default)]
pub struct Table {
    users: HashMap<String, User>,
    certificates: HashMap<Fingerprint, String>,
    /// What a check of a password for nobody is made with: it must take as long as any other.
    decoy: Option<Hash>,
    /// The same for SCRAM, whose salt and iterations are seen.
    mould: Option<Mould>,
    /// Octets of memory that any check takes at most.
    memory: u64,
}

/// What made-up keys are like.
struct Mould {
    iterations: u32,
    salt_size: usize,
    /// What they are derived from.
    secret: [u8; 32],
}

impl Mould {
    /// As the keys of this user. It knows its password, and with that its keys, but never the salt
    /// of its hash.
    fn of(keys: &Keys, hash: Option<&str>) -> Self {
        let mut secret = Hasher::new_derive_key("maiasaura 2026-11 keys of nobody");
        secret.update(&keys.server_key);
        secret.update(hash.unwrap_or_default().as_bytes());
        Self {
            iterations: keys.iterations,
            salt_size: keys.salt.len(),
            secret: secret.finalize().into(),
        }
    }
}

/// The secret is shown nowhere.
impl fmt::Debug for Mould {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mould")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct User {
    hash: Option<Hash>,
    keys: Option<Keys>,
}

impl Table {
    /// Reads the text of a file; else the number of a line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut table = Self::default();
        for (index, line) in text.lines().enumerate() {
            if !entry::is_comment(line) {
                table.add(line).map_err(|message| (index + 1, message))?;
            }
        }
        if table.decoy.is_none() {
            let hash = password::hash("nobody").map_err(|error| (0, error.to_string()))?;
            table.decoy = Some(Hash::parse(&hash).map_err(|message| (0, message))?);
        }
        let decoy = table.decoy.as_ref().map_or(0, Hash::memory);
        table.memory = table.memory.max(decoy);
        Ok(table)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let shape = "a line is NAME:HASH; maiasaura passwd writes them";
        let (name, fields) = line.split_once(':').ok_or(shape)?;
        entry::check_name(name)?;
        let (
            Entry {
                hash: text,
                keys,
                certificates,
            },
            hash,
        ) = Entry::parse(fields)?;
        for certificate in certificates {
            if let Some(other) = self.certificates.insert(certificate, name.to_owned()) {
                return Err(format!("{other:?} has the same certificate"));
            }
        }
        if let Some(hash) = &hash {
            self.memory = self.memory.max(hash.memory());
            self.decoy.get_or_insert_with(|| hash.clone());
        }
        if let Some(keys) = &keys {
            self.mould
                .get_or_insert_with(|| Mould::of(keys, text.as_deref()));
        }
        match self.users.entry(name.to_owned()) {
            hash_map::Entry::Occupied(_) => Err(format!("{name:?} is there twice")),
            hash_map::Entry::Vacant(place) => {
                place.insert(User { hash, keys });
                Ok(())
            }
        }
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Octets of memory that [`has_password`](Self::has_password) takes at most.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether this user has this password. It takes tens of milliseconds, and as long for a
    /// user that there is not.
    pub fn has_password(&self, claim: &Claim) -> bool {
        let user = self.users.get(&claim.login);
        let own = user.and_then(|user| user.hash.as_ref());
        let Some(hash) = own.or(self.decoy.as_ref()) else {
            return false;
        };
        hash.is_of(&claim.password) & own.is_some()
    }

    /// The keys of this user. For one that has none they are made up, and the same each time:
    /// the client must not see from salt and iterations who there is. They are derived from what is
    /// kept of somebody else, so that a restart does not change them.
    pub fn keys(&self, login: &str) -> Keys {
        let user = self.users.get(login);
        if let Some(keys) = user.and_then(|user| user.keys.as_ref()) {
            return keys.clone();
        }
        let mould = self.mould.as_ref();
        let secret = mould.map_or([0; 32], |mould| mould.secret);
        let mut octets = [0; 128];
        let mut made_up = Hasher::new_keyed(&secret);
        made_up.update(login.as_bytes());
        made_up.finalize_xof().fill(&mut octets);
        let (stored_key, rest) = octets.split_at(32);
        let (server_key, salt) = rest.split_at(32);
        let length = mould.map_or(16, |mould| mould.salt_size.min(salt.len()));
        Keys {
            salt: salt[..length].to_vec(),
            iterations: mould.map_or(ITERATIONS, |mould| mould.iterations),
            stored_key: stored_key.try_into().unwrap_or_default(),
            server_key: server_key.try_into().unwrap_or_default(),
        }
    }

    /// Whose certificate this is.
    pub fn owner_of(&self, certificate: &str) -> Option<&str> {
        self.certificates.get(certificate).map(String::as_str)
    }
}
