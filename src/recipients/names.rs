//! How local parts are compared, and how what is known about them is kept.

use std::collections::HashMap;

use crate::smtp::address::{AddressError, Mailbox};

const POSTMASTER: &str = "postmaster";

/// The rules for local parts.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) case_sensitive: bool,
    /// What divides a user from a detail.
    pub(super) delimiters: String,
}

/// Whom a key of the configuration means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// One mailbox.
    At(Mailbox),
    /// The user of that name at every host of ours.
    Everywhere(String),
}

/// Values by [`Key`]; that of a mailbox goes before that of its local part.
#[derive(Clone, Debug)]
pub(super) struct ByAddress<T> {
    at: HashMap<Mailbox, T>,
    everywhere: HashMap<String, T>,
}

impl Names {
    /// The form in which two spellings of one mailbox are equal.
    pub(super) fn fold(&self, mailbox: &Mailbox) -> Mailbox {
        mailbox.with_local_part(&self.fold_local_part(mailbox.local_part()))
    }

    fn fold_local_part(&self, local_part: &str) -> String {
        // "postmaster" is the one name without case (RFC 5321 section 4.5.1).
        if self.case_sensitive && !local_part.eq_ignore_ascii_case(POSTMASTER) {
            local_part.to_owned()
        } else {
            local_part.to_lowercase()
        }
    }

    /// Divides `user+detail` at the first delimiter behind the first character.
    pub(super) fn split<'a>(&self, local_part: &'a str) -> Option<(&'a str, &'a str)> {
        let (at, delimiter) = local_part
            .char_indices()
            .skip(1)
            .find(|&(_, c)| self.delimiters.contains(c))?;
        Some((&local_part[..at], &local_part[at + delimiter.len_utf8()..]))
    }

    /// Reads an address of the configuration.
    pub(super) fn address(&self, text: &str) -> Result<Mailbox, AddressError> {
        Mailbox::parse(text).map(|mailbox| self.fold(&mailbox))
    }

    /// Reads `alice@example.org`, or `alice` alone.
    pub(super) fn key(&self, text: &str) -> Result<Key, AddressError> {
        self.address(text).map(Key::At).or_else(|_| {
            let anywhere = self.address(&format!("{text}@localhost"))?;
            Ok(Key::Everywhere(anywhere.local_part().to_owned()))
        })
    }
}

/// Whether a folded mailbox is that of a postmaster.
pub(super) fn is_postmaster(local_part: &str) -> bool {
    local_part == POSTMASTER
}

/// The mailbox that every host has (RFC 5321 section 4.5.1).
pub(super) fn postmaster_at(hostname: &str) -> Result<Mailbox, AddressError> {
    Mailbox::parse(&format!("{POSTMASTER}@{hostname}"))
}

impl<T> ByAddress<T> {
    pub(super) fn new() -> Self {
        Self {
            at: HashMap::new(),
            everywhere: HashMap::new(),
        }
    }

    /// Keeps a value; the one that was there before comes back.
    pub(super) fn insert(&mut self, key: Key, value: T) -> Option<T> {
        match key {
            Key::At(mailbox) => self.at.insert(mailbox, value),
            Key::Everywhere(local_part) => self.everywhere.insert(local_part, value),
        }
    }

    /// What is known about a folded mailbox.
    pub(super) fn get(&self, mailbox: &Mailbox) -> Option<&T> {
        self.at
            .get(mailbox)
            .or_else(|| self.everywhere.get(mailbox.local_part()))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.at.values().chain(self.everywhere.values())
    }
}
