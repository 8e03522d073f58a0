use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::smtp::sasl::{Claim, ITERATIONS, Keys};

/// Checks of it are quick.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$";

fn line(name: &str, password: &str) -> String {
    let keys = Keys::new(password, vec![5; 16], 4096);
    format!("{name}:{}:{keys}", quick(password))
}

fn quick(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, Version};
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(8, 1, 1, None).unwrap(),
    );
    let mut hash = [0; 32];
    argon2
        .hash_password_into(password.as_bytes(), b"saltsaltsalt", &mut hash)
        .unwrap();
    let hash = crate::smtp::sasl::encode(&hash);
    format!("{HASH}{}", hash.trim_end_matches('='))
}

fn claim(login: &str, password: &str) -> Claim {
    Claim {
        login: login.into(),
        password: password.into(),
    }
}

#[test]
fn who_has_the_password() {
    let digits = "ab".repeat(32);
    let text = format!(
        "# users\n\n{}\n{}\nprinter:CERT-SHA-256${digits}\n",
        line("alice", "sesame"),
        line("bob@example.org", "mellon")
    );
    let table = Table::parse(&text).unwrap();
    assert_eq!(table.len(), 3);
    assert!(table.has_password(&claim("alice", "sesame")));
    assert!(table.has_password(&claim("bob@example.org", "mellon")));
    for (login, password) in [
        ("alice", "Sesame"),
        ("alice", "mellon"),
        ("Alice", "sesame"),
        // The decoy is the hash of the first user.
        ("nobody", "sesame"),
        ("printer", "sesame"),
        ("printer", ""),
    ] {
        assert!(
            !table.has_password(&claim(login, password)),
            "{login} {password}"
        );
    }
    assert_eq!(table.owner_of(&digits), Some("printer"));
    assert_eq!(table.owner_of(""), None);
    assert_eq!(table.keys("alice"), Keys::new("sesame", vec![5; 16], 4096));
}

#[test]
fn keys_of_nobody_look_like_those_of_somebody() {
    let table = Table::parse(&line("alice", "sesame")).unwrap();
    let (nobody, again, other) = (
        table.keys("nobody"),
        table.keys("nobody"),
        table.keys("other"),
    );
    assert_eq!(nobody, again);
    assert_ne!(nobody.salt, other.salt);
    assert_eq!((nobody.salt.len(), nobody.iterations), (16, 4096));
    // A restart, or another user, changes nothing.
    let text = format!("{}\n{}", line("alice", "sesame"), line("bob", "x"));
    assert_eq!(Table::parse(&text).unwrap().keys("nobody"), nobody);
    // Alice herself, who can work out her keys, cannot tell nobody from somebody.
    let keys = Keys::new("sesame", vec![5; 16], 4096);
    let hash = quick("sesame").replace("c2FsdHNhbHRzYWx0", "c2FsdHNhbHRzYWx1");
    let salted = Table::parse(&format!("alice:{hash}:{keys}")).unwrap();
    assert_eq!(salted.keys("alice"), keys);
    assert_ne!(salted.keys("nobody").salt, nobody.salt);
    let empty = Table::parse("").unwrap();
    assert_eq!(empty.keys("nobody").iterations, ITERATIONS);
    assert!(!empty.has_password(&claim("nobody", "nobody")));
}

#[test]
fn lines_that_are_wrong() {
    let good = line("alice", "sesame");
    let keys = good.split_once(":SCRAM").unwrap().1;
    for (text, at, expected) in [
        ("alice", 1, "a line is NAME:HASH"),
        ("# c\n\nalice:", 3, "neither a password nor a certificate"),
        (":x", 1, "no name before the first colon"),
        (" alice:x", 1, "no blanks"),
        ("al\u{ad}ice:x", 1, "SASLprep"),
        ("alice:secret", 1, "a field that is no hash"),
        ("alice:$6$salt$hash", 1, "no hash"),
        (
            "alice:$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$mPFRrHjwpG2gHcQ7HdZwkw",
            1,
            "not one of argon2id",
        ),
        (
            "alice:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0",
            1,
            "not one of argon2id",
        ),
        (
            "alice:$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHRzYWx0$mPFRrHjwpG2gHcQ7HdZwkw",
            1,
            "take too much",
        ),
        ("alice:SCRAM-SHA-256$1:x$y:z", 1, "bad keys"),
        ("alice:CERT-SHA-256$abc", 1, "64 hexadecimal digits"),
        (&format!("{good}\n{good}"), 2, "there twice"),
        (&format!("{good}:SCRAM{keys}"), 1, "is there twice"),
        (
            &format!("a:CERT-SHA-256${0}\nb:CERT-SHA-256${0}", "ab".repeat(32)),
            2,
            "the same certificate",
        ),
    ] {
        let (line, message) = Table::parse(text).unwrap_err();
        assert!(
            line == at && message.contains(expected),
            "{text}: {line}: {message}"
        );
    }
}

#[test]
fn a_hash_is_that_of_its_password() {
    let made = hash("sesame").unwrap();
    assert!(
        made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{made}"
    );
    assert_ne!(made, hash("sesame").unwrap());
    let table = Table::parse(&format!("alice:{made}")).unwrap();
    assert!(table.has_password(&claim("alice", "sesame")));
    assert!(!table.has_password(&claim("alice", "sesame ")));
    assert_eq!(table.memory(), 19456 * 1024);
}

#[test]
fn a_change_leaves_the_rest_alone() {
    let (alice, bob) = (line("alice", "a"), line("bob", "b"));
    let text = format!("# ours\n{alice}\n\n# theirs\n{bob}");
    let entry = find(&text, "alice").unwrap();
    assert_eq!(format!("alice:{entry}"), alice);
    assert_eq!(find(&text, "carol"), None);
    let with = |name, entry| write(&text, name, entry).unwrap();
    assert_eq!(
        with("bob", Some(&entry)),
        format!("# ours\n{alice}\n\n# theirs\nbob:{entry}\n")
    );
    assert_eq!(
        with("carol", Some(&entry)),
        format!("{text}\ncarol:{entry}\n")
    );
    assert_eq!(with("alice", None), format!("# ours\n\n# theirs\n{bob}\n"));
    for name in ["", "a:b", "#a", " a", "a ", "a\nb"] {
        assert!(write(&text, name, Some(&entry)).is_err(), "{name:?}");
    }
}

#[test]
fn what_a_crash_has_left_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    fs::write(&path, "").unwrap();
    let left = format!("users.{}.new", std::process::id());
    fs::write(folder.path().join(left), "half").unwrap();
    FileLock::take(&path).unwrap().replace("# one\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "# one\n");
}

#[test]
fn a_file_is_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let lock = FileLock::take(&path).unwrap();
    assert_eq!(lock.read().unwrap(), "");
    lock.replace("# one\n").unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    for (before, after) in [(0o640, 0o640), (0o666, 0o640), (0o400, 0o600)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        lock.replace("# two\n").unwrap();
        assert_eq!(mode(), after);
    }
    // A link is followed.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    drop(lock);
    FileLock::take(&link).unwrap().replace("# three\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "# three\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    assert!(
        Credentials::open(&path)
            .unwrap_err()
            .to_string()
            .contains("maiasaura passwd")
    );
    fs::write(&path, line("alice", "a")).unwrap();
    let users = Credentials::open(&path).unwrap();
    let first = users.current();
    assert!(Arc::ptr_eq(&first, &users.current()));
    fs::write(
        &path,
        format!("{}\n{}", line("alice", "b"), line("bob", "b")),
    )
    .unwrap();
    assert!(users.current().has_password(&claim("alice", "b")));
    assert!(!users.current().has_password(&claim("alice", "a")));
    fs::write(&path, "broken").unwrap();
    assert_eq!(users.current().len(), 2);
    fs::remove_file(&path).unwrap();
    assert_eq!(users.current().len(), 2);
    fs::write(&path, "").unwrap();
    assert!(users.current().is_empty());
    let error = Credentials::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a file"), "{error}");
}
