//! `maiasaura passwd`, and what `check` says about the file it writes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::authority::AUTHORITY;
use crate::house::Folder;
use crate::process::{Ended, configure, run};

fn passwd(folder: &Folder, arguments: &[&str], input: &str) -> Ended {
    let arguments = [&["passwd", "--file", "users"], arguments].concat();
    run(folder, &arguments, input.as_bytes())
}

#[track_caller]
fn ends(ended: &Ended, code: i32, words: &str) {
    let said = [&*ended.stdout.join("\n"), &ended.stderr.join("\n")].concat();
    assert!(
        ended.code == Some(code) && said.contains(words),
        "{ended:#?}"
    );
}

#[test]
fn users_are_added_changed_verified_and_taken_away() {
    let folder = Folder::new();
    ends(
        &passwd(&folder, &["alice"], "one\n"),
        0,
        "alice: added, in users",
    );
    let path = folder.path("users");
    let mode = || {
        fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(), 0o600);
    let text = fs::read_to_string(&path).expect("it is text");
    assert!(
        text.starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$"),
        "{text}"
    );
    assert!(text.contains(":SCRAM-SHA-256$65536:"), "{text}");

    fs::write(&path, format!("# ours\n{text}")).expect("a file");
    ends(
        &passwd(&folder, &["bob", "--no-scram"], "two"),
        0,
        "bob: added",
    );
    ends(
        &passwd(&folder, &["alice"], "three\r\n"),
        0,
        "alice: changed",
    );
    for (name, password, code, words) in [
        ("alice", "three\n", 0, "that is the password"),
        ("alice", "one\n", 77, "that is not the password"),
        ("bob", "two\n", 0, "that is the password"),
        ("carol", "two\n", 67, "there is no user carol"),
    ] {
        ends(&passwd(&folder, &["--verify", name], password), code, words);
    }
    let text = fs::read_to_string(&path).expect("it is text");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0] == "# ours" && lines[1].starts_with("alice:"),
        "{text}"
    );
    assert!(
        lines[2].starts_with("bob:") && !lines[2].contains("SCRAM"),
        "{text}"
    );

    ends(
        &passwd(&folder, &["--delete", "alice"], ""),
        0,
        "alice: taken away",
    );
    ends(
        &passwd(&folder, &["--delete", "alice"], ""),
        67,
        "there is no user alice",
    );
    assert_eq!(folder.tree(), ["users"]);
}

#[test]
fn certificates_are_users_too() {
    let folder = Folder::new();
    let own = AUTHORITY.issue(&["printer.example.org"]);
    own.write(&folder.path(""));
    ends(
        &passwd(&folder, &["printer", "--certificate", "cert.pem"], ""),
        0,
        "printer: added",
    );
    let expected = format!("printer:CERT-SHA-256${}\n", own.facts().fingerprint);
    let users = fs::read_to_string(folder.path("users")).expect("it is text");
    assert_eq!(users, expected);
    let digits = own.facts().fingerprint.to_uppercase();
    let arguments = ["printer", "--certificate", &digits];
    ends(&passwd(&folder, &arguments, ""), 0, "printer: changed");
    let users = fs::read_to_string(folder.path("users")).expect("it is text");
    assert_eq!(users, expected, "it is there once");
    for wrong in ["nowhere.pem", "key.pem", "abc"] {
        let arguments = ["printer", "--certificate", wrong];
        ends(
            &passwd(&folder, &arguments, ""),
            65,
            "name a PEM file with a certificate",
        );
    }
}

#[test]
fn what_cannot_be_is_told() {
    let folder = Folder::new();
    for (arguments, input, code, words) in [
        (&["alice"][..], "", 74, "the password is empty"),
        (&["alice"], "\n", 74, "the password is empty"),
        (&["alice"], "a\u{7}b\n", 65, "SASLprep"),
        (&["alice"], "\u{1f600}\n", 65, "SASLprep"),
        (&["a:b"], "x\n", 64, "a name has no colon"),
        (&["#a"], "x\n", 64, "a name has no colon"),
        (&[""], "x\n", 64, "there is no name"),
        (
            &["--delete", "--verify", "a"],
            "",
            64,
            "cannot be used with",
        ),
    ] {
        ends(&passwd(&folder, arguments, input), code, words);
    }
    assert!(folder.tree().is_empty());
    fs::write(folder.path("users"), "# one\nalice\n").expect("a file");
    ends(
        &passwd(&folder, &["bob"], "x\n"),
        78,
        "line 2: a line is NAME:HASH",
    );
    let text = fs::read_to_string(folder.path("users")).expect("it is text");
    assert_eq!(text, "# one\nalice\n");
    let nowhere = run(
        &folder,
        &["passwd", "--file", "nowhere/users", "bob"],
        b"x\n",
    );
    ends(&nowhere, 74, "No such file or directory");
    configure(&folder, "");
    let unnamed = run(&folder, &["-c", "config.yaml", "passwd", "bob"], b"x\n");
    ends(&unnamed, 78, "auth.users: there is no file of users");
}

const YAML: &str = "listeners: [{address: \"127.0.0.1:0\", auth: offered}]\n\
                    auth: {users: users, plaintext: local}\n";

#[test]
fn check_looks_at_the_users() {
    let folder = Folder::new();
    configure(&folder, YAML);
    let check = || run(&folder, &["-c", "config.yaml", "check"], b"");
    ends(
        &check(),
        78,
        "FAULT auth.users: users: No such file or directory (os error 2); make it with: maiasaura passwd NAME",
    );
    let added = run(&folder, &["-c", "config.yaml", "passwd", "alice"], b"x\n");
    ends(&added, 0, "alice: added");
    ends(&check(), 0, "ok    users who may log in: 1, in users");
    fs::set_permissions(folder.path("users"), Permissions::from_mode(0o644)).expect("a mode");
    ends(&check(), 0, "mend it with: chmod 600 users");
    fs::write(folder.path("users"), "alice:secret\n").expect("a file");
    ends(
        &check(),
        78,
        "FAULT auth.users: users, line 1: a field that is no hash",
    );
    let served = run(&folder, &["-c", "config.yaml"], b"");
    ends(&served, 78, "auth.users: users, line 1: ");
    configure(&folder, "auth: {users: users}\n");
    fs::write(folder.path("users"), "").expect("a file");
    ends(&check(), 0, "no listener lets anybody log in");
}
