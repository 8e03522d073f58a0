//! Maildirs: who has one, whose it is, and what lies in it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::{ALICE, BOB, MAIL, complaint, delivers, sender};
use crate::client::mail_data;
use crate::house::{House, mode};

/// Upstream: test@ and TEST@ in one transaction are two files in one Maildir.
#[test]
fn whoever_is_named_twice_gets_one() {
    let house = House::new("");
    delivers(&house, &[BOB, "BOB@Example.ORG", "bob+x@example.org"], MAIL);
    house.folder.mail("example.org/bob");
}

/// Upstream: the host is ignored: bob at every host is one user.
#[test]
fn users_of_two_hosts_are_two() {
    let house = House::new("");
    delivers(&house, &[BOB, "bob@x.wild.example"], MAIL);
    house.folder.mail("example.org/bob");
    house.folder.mail("x.wild.example/bob");
}

/// Upstream: 550 for test+tag@, as no subaddress is known.
#[test]
fn a_subaddress_is_that_of_the_user() {
    let house = House::new("recipients: {hosts: [example.org], users: [bob]}");
    delivers(&house, &["bob+tag@example.org"], MAIL);
    house.folder.mail("example.org/bob");
}

/// Upstream: 550 for the postmaster, unless the map names one.
#[test]
fn there_is_always_a_postmaster() {
    let house = House::new("recipients: {hosts: [example.org], users: [bob]}");
    delivers(&house, &["postmaster", "postmaster@example.org"], MAIL);
    assert!(house.folder.mail_count() > 0);
}

/// Upstream: names of the map are compared with lower case, so TEST=1:1 is nobody.
#[test]
fn a_user_may_be_written_in_any_case() {
    for users in ["[Bob]", "{Bob: {}}"] {
        let house = House::new(&format!(
            "recipients: {{hosts: [example.org], users: {users}}}"
        ));
        delivers(&house, &[BOB], MAIL);
        house.folder.mail("example.org/bob");
    }
}

/// Upstream: a record of the map that is malformed ends it silently, and a bad number is 0, root.
#[test]
fn a_mistake_in_a_user_is_said() {
    for (user, said) in [
        ("{uid: x}", "has no user \"x\""),
        ("{uid: 0}", "root must not own mail"),
        ("{uid: \"\"}", "uid"),
        ("{uid: -1}", "uid"),
        ("{uid: 1001, gid: x}", "has no group \"x\""),
        ("{gid: 1001}", "a gid alone owns nothing"),
        ("1001:1001", "expected a section"),
        ("{user: 1001}", "unknown key \"user\""),
    ] {
        let yaml =
            format!("recipients:\n  hosts: [a.test]\n  users:\n    test: {user}\n    other: {{}}");
        let complaint = complaint(&yaml);
        assert!(
            complaint.contains(said) && complaint.contains("users.test"),
            "{complaint}"
        );
    }
}

/// Upstream: the final chown has uid and gid in the wrong order, and folders on the way are root's alone.
#[test]
fn mail_belongs_to_its_user() {
    // Only root can give files away; that is how tests/run and a delivery agent are started.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house =
        House::new("recipients: {hosts: [example.org], users: {bob: {uid: 4321, gid: 8765}}}");
    delivers(&house, &[BOB], MAIL);
    let maildir = house.folder.path("maildirs/example.org/bob");
    let mail = house.folder.mail("example.org/bob").path;
    for path in [&maildir, &maildir.join("new"), &maildir.join("cur"), &mail] {
        let metadata = fs::metadata(path).expect("it is there");
        let owner = (metadata.uid(), metadata.gid());
        assert_eq!(owner, (4321, 8765), "{}", path.display());
    }
    assert_eq!(mode(&mail), 0o600);
    let way = house.folder.path("maildirs/example.org");
    assert_eq!(mode(&way) & 0o011, 0o011, "its user cannot pass");
}

/// Upstream: a recipient whom `MailDir` does not know any more is passed over, and the client hears 250.
#[test]
fn nobody_is_passed_over() {
    let house = House::new("recipients: {hosts: [example.org], users: existing}");
    house.folder.make("example.org/bob");
    house.folder.make("example.org/alice");
    let mut client = sender(&house);
    for to in [BOB, ALICE] {
        client.wants(&format!("RCPT TO:<{to}>"), "250 ");
    }
    client.wants("DATA", "354 ");
    fs::remove_dir_all(house.folder.path("maildirs/example.org/alice")).expect("it is there");
    client.send(&mail_data(MAIL));
    client.hears("550 5.1.1 ");
    assert_eq!(house.folder.mail_count(), 0);
}

/// Upstream: no such user, for ever, for everybody whose disk is not mounted.
#[test]
fn a_disk_that_is_not_there_may_come() {
    let house = House::new(
        "recipients: {hosts: [example.org], users: existing}\n\
         maildir: {path: \"${ROOT}/{host}/{user}\", require_root: true}",
    );
    sender(&house).wants(&format!("RCPT TO:<{BOB}>"), "451 ");
    house.folder.make("example.org/bob");
    delivers(&house, &[BOB], MAIL);
    sender(&house).wants(&format!("RCPT TO:<{ALICE}>"), "550 5.1.1 ");
}

/// Upstream: the hostname goes into names of files as it is, with a slash or a colon in it.
#[test]
fn a_hostname_fits_into_a_name() {
    for name in ["a/b", "a:b", "../../etc"] {
        let said = complaint(&format!("hostname: \"{name}\""));
        assert!(said.contains("is not a host name"), "{said}");
    }
    let house = House::new("");
    delivers(&house, &[BOB], MAIL);
    let mail = house.folder.mail("example.org/bob");
    let name = mail.path.file_name().expect("it has one").to_string_lossy();
    assert!(!name.contains(':'), "{name}");
    let size = format!(",S={}", mail.size());
    assert!(name.contains(&size), "{name}");
}
