//! One line of a file of users.

use core::fmt;

use super::password::Hash;
use crate::smtp::sasl::{Keys, NAME_LIMIT, prepare};

/// The SHA-256 of a certificate in DER: 64 hexadecimal digits in lower case.
pub type Fingerprint = String;

/// What a user can prove to be itself with; at least one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The PHC string of its password.
    pub hash: Option<String>,
    /// Its keys for SCRAM.
    pub keys: Option<Keys>,
    /// Its certificates.
    pub certificates: Vec<Fingerprint>,
}

const SCRAM: &str = "SCRAM-SHA-256$";
const CERTIFICATE: &str = "CERT-SHA-256$";

/// Whether a line holds no user.
pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The name at the beginning of a line.
pub(super) fn name_of(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

/// What is wrong with a name, if anything is.
pub fn check_name(name: &str) -> Result<(), String> {
    let wrong = if name.is_empty() {
        "there is no name before the first colon"
    } else if name.len() > NAME_LIMIT {
        "the name is too long"
    } else if name.starts_with('#') || name.contains(':') || name.trim() != name {
        "a name has no colon, no # at its beginning, and no blanks around it"
    } else if prepare(name).as_deref() != Some(name) {
        "the name is not as SASLprep (RFC 4013) would have it"
    } else {
        return Ok(());
    };
    Err(wrong.into())
}

impl Entry {
    /// Reads what follows the name: fields in any order.
    pub(super) fn parse(text: &str) -> Result<(Self, Option<Hash>), String> {
        let mut entry = Self::default();
        let mut hash = None;
        let mut rest = text;
        while !rest.is_empty() {
            // Keys for SCRAM hold two colons of their own.
            let colons = if rest.starts_with(SCRAM) { 2 } else { 0 };
            let end = rest.match_indices(':').nth(colons);
            let end = end.map_or(rest.len(), |(end, _)| end);
            let (field, next) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
            rest = next;
            if field.starts_with(SCRAM) && entry.keys.is_none() {
                entry.keys = Some(Keys::parse(field).ok_or("bad keys for SCRAM-SHA-256")?);
            } else if let Some(digits) = field.strip_prefix(CERTIFICATE) {
                entry.certificates.push(fingerprint(digits)?);
            } else if field.starts_with('$') && hash.is_none() {
                hash = Some(Hash::parse(field)?);
                entry.hash = Some(field.to_owned());
            } else {
                return Err(
                    "a field that is no hash, no keys and no certificate, or is there twice".into(),
                );
            }
        }
        if entry == Self::default() {
            return Err("the name has neither a password nor a certificate".into());
        }
        Ok((entry, hash))
    }

    /// Reads the entry of a line that is known to be sound.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let (_, fields) = line.split_once(':')?;
        Self::parse(fields).ok().map(|(entry, _)| entry)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields: Vec<String> = self.hash.iter().cloned().collect();
        fields.extend(self.keys.iter().map(ToString::to_string));
        for certificate in &self.certificates {
            fields.push(format!("{CERTIFICATE}{certificate}"));
        }
        f.write_str(&fields.join(":"))
    }
}

/// 64 hexadecimal digits, with colons between pairs or without.
pub fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    Err("a fingerprint is 64 hexadecimal digits".into())
}
