//! How what a client said becomes a file name: by rule, and reversibly.
//!
//! Two different values never give the same name, not even on a file system
//! that ignores case, and no value gives a name with a meaning of its own.

use std::fmt::Write;

/// Octets in a file name of ours; file systems allow 255.
const NAME_LIMIT: usize = 200;
/// Octets kept of a longer one, before `~` and the digest.
const KEPT: usize = NAME_LIMIT - 1 - DIGEST;
/// Hexadecimal digits of a digest: 128 bits.
const DIGEST: usize = 32;

/// Names that mean something inside a Maildir.
const RESERVED: [&str; 4] = ["new", "cur", "tmp", "maildirsize"];
/// What the names of other files that a Maildir may hold begin with.
const RESERVED_PREFIXES: [&str; 2] = ["maildirfolder", "dovecot"];

/// Writes `value` as a part of a file name. Octets outside `[a-z0-9_+=-]` and
/// the dots at both ends become `%XX`; so does `stop`, with which the text
/// behind that part begins, so that its end can be told.
pub(super) fn encode(value: &str, stop: Option<u8>) -> String {
    let last = value.len().saturating_sub(1);
    let mut encoded = String::with_capacity(value.len());
    for (at, octet) in value.bytes().enumerate() {
        let plain = match octet {
            _ if Some(octet) == stop => false,
            b'.' => at != 0 && at != last,
            b'_' | b'+' | b'=' | b'-' => true,
            // Capitals are encoded: a file system may take them for small letters.
            _ => octet.is_ascii_lowercase() || octet.is_ascii_digit(),
        };
        if plain {
            encoded.push(char::from(octet));
        } else {
            push_encoded(&mut encoded, octet);
        }
    }
    encoded
}

/// The name of a Maildir++ folder for a detail, without its leading dot. Every
/// dot is encoded, because there a dot means a folder in a folder.
pub(super) fn folder(detail: &str) -> String {
    bounded(encode(detail, Some(b'.')))
}

/// A whole file name, made of encoded parts: never a reserved one, never too long.
pub(super) fn file_name(parts: String) -> String {
    bounded(if is_reserved(&parts) {
        let (first, rest) = parts.split_at(1);
        let mut name = String::new();
        push_encoded(&mut name, first.as_bytes()[0]);
        name + rest
    } else {
        parts
    })
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Cuts a name that is too long and marks it with a digest of all of it. `~`
/// is in no other name, because [`encode`] writes it as `%7E`.
fn bounded(name: String) -> String {
    if name.len() <= NAME_LIMIT {
        return name;
    }
    let digest = blake3::hash(name.as_bytes()).to_hex();
    let kept = &name[..name.floor_char_boundary(KEPT)];
    format!("{kept}~{}", &digest[..DIGEST])
}

fn push_encoded(name: &mut String, octet: u8) {
    write!(name, "%{octet:02X}").expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The way back, for names that were not cut.
    fn decode(name: &str) -> String {
        let mut octets = Vec::new();
        let mut rest = name;
        while let Some(first) = rest.bytes().next() {
            if first == b'%' {
                octets.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                rest = &rest[3..];
            } else {
                octets.push(first);
                rest = &rest[1..];
            }
        }
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn names_of_values() {
        for (value, name) in [
            ("bob", "bob"),
            ("Bob", "%42ob"),
            ("bob.smith", "bob.smith"),
            ("example.org", "example.org"),
            ("[192.0.2.1]", "%5B192.0.2.1%5D"),
            ("a_b+c=d-e", "a_b+c=d-e"),
            ("a/b", "a%2Fb"),
            ("a%2fb", "a%252fb"),
            ("%", "%25"),
            ("%25", "%2525"),
            ("a\\b", "a%5Cb"),
            ("a@evil.test", "a%40evil.test"),
            ("evil.test!a", "evil.test%21a"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "%2E.%2E"),
            (".trash", "%2Etrash"),
            ("trash.", "trash%2E"),
            ("../../etc/cron.d/x", "%2E./../etc/cron.d/x"),
            ("new", "%6Eew"),
            ("cur", "%63ur"),
            ("tmp", "%74mp"),
            ("new/x", "new%2Fx"),
            ("news", "news"),
            ("maildirsize", "%6Daildirsize"),
            ("maildirfolder", "%6Daildirfolder"),
            ("dovecot-uidlist", "%64ovecot-uidlist"),
            ("dovecot.index.log", "%64ovecot.index.log"),
            ("a~b", "a%7Eb"),
            ("gr\u{e5}", "gr%C3%A5"),
            ("a b\t", "a%20b%09"),
        ] {
            let name = name.replace('/', "%2F");
            assert_eq!(file_name(encode(value, None)), name, "{value}");
            assert_eq!(decode(&name), value);
        }
    }

    #[test]
    fn names_of_folders() {
        for (detail, name) in [
            ("spam", "spam"),
            ("a.b", "a%2Eb"),
            ("../../x", "%2E%2E%2F%2E%2E%2Fx"),
            (".", "%2E"),
            ("new", "new"),
        ] {
            assert_eq!(folder(detail), name, "{detail}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let of = |length: usize, last: &str| file_name("x".repeat(length) + last);
        assert_eq!(of(199, "a"), "x".repeat(199) + "a");
        assert_eq!(of(200, "a").len(), NAME_LIMIT);
        assert!(of(200, "a").starts_with(&("x".repeat(KEPT) + "~")));
        assert_ne!(of(200, "a"), of(200, "b"));
        assert_eq!(of(200, "a"), of(200, "a"));
        assert!(file_name("\u{e5}".repeat(101)).len() <= NAME_LIMIT);
    }

    proptest! {
        #[test]
        fn decodes_to_the_value(value in "(new|cur|tmp|dovecot|[.%/a-cA-C~]|\\PC){1,12}") {
            let name = file_name(encode(&value, None));
            prop_assert_eq!(decode(&name), value.clone());
            prop_assert_eq!(decode(&folder(&value)), value.clone());
            prop_assert_eq!(decode(&encode(&value, Some(b'-'))), value);
        }

        #[test]
        fn is_always_a_plain_file_name(value in "\\PC{1,300}") {
            let name = file_name(encode(&value, None));
            prop_assert!(!name.is_empty() && name.len() <= NAME_LIMIT);
            prop_assert!(!name.starts_with('.') && !name.ends_with('.'));
            prop_assert!(!is_reserved(&name));
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=-.%~".contains(&b);
            prop_assert!(name.bytes().all(plain), "{}", name);
        }

        #[test]
        fn different_values_have_different_names(a in "[a-bA-B%.~/]{1,80}", b in "[a-bA-B%.~/]{1,80}") {
            let name = |value: &str| file_name(encode(value, None)).to_lowercase();
            prop_assert_eq!(a == b, name(&a) == name(&b));
        }
    }
}
