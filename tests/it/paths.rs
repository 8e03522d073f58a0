//! What may be made on the disk for mail, whatever an address says and a Maildir is.

use std::fs;
use std::os::unix::fs::symlink;

use crate::house::House;
use crate::recipients::{NOT_SYNCED, boxes, send};

/// Names that mean something in a Maildir are names of users like others.
#[test]
fn reserved_names_are_users() {
    let house = House::new(NOT_SYNCED);
    let mut client = house.client();
    let names = [
        "new",
        "cur",
        "tmp",
        "NEW",
        "\"new/x\"",
        "\".Trash\"",
        "dovecot-uidlist",
        "dovecot.index",
        "maildirfolder",
        "maildirsize",
    ];
    for name in names {
        let reply = send(&mut client, &format!("{name}@example.org"));
        assert!(reply.starts_with("250 "), "{name}: {reply}");
    }
    let expected = [
        "example.org/%2Etrash 1",
        "example.org/%63ur 1",
        "example.org/%64ovecot-uidlist 1",
        "example.org/%64ovecot.index 1",
        "example.org/%6Daildirfolder 1",
        "example.org/%6Daildirsize 1",
        "example.org/%6Eew 2",
        "example.org/%74mp 1",
        "example.org/new%2Fx 1",
    ];
    assert_eq!(boxes(&house.folder), expected);
}

/// Local parts that a shell, a file system or a template could take for something else.
const NASTY: [&str; 38] = [
    "../../etc/cron.d/x",
    "..",
    ".",
    "...",
    "/",
    "//",
    "/etc/passwd",
    "a/b",
    "a/../b",
    "a\\\\b",
    "~",
    "~root",
    "$HOME",
    "%",
    "%2e%2e%2f",
    "%2F",
    "*",
    "bob+../../x",
    "bob+",
    "+",
    "bob+.",
    "bob+a/b",
    "bob+..",
    "bob++",
    "-",
    "-rf",
    "a b",
    "{user}",
    "{host}",
    "`id`",
    "|sh",
    ".bob",
    "bob.",
    "a..b",
    "a\tb",
    "a\u{1}b",
    "\u{0}",
    "a\rb",
];

/// What is no domain.
const NO_DOMAINS: [&str; 10] = [
    "..",
    ".",
    "a/b",
    "../x",
    "-",
    "a_b",
    "[../x]",
    "x..y",
    "*",
    "[a-z].test",
];

/// Whatever an address holds, all that is made is a Maildir right below its host.
#[test]
fn no_address_leads_out_of_the_root() {
    let house = House::new(
        "recipients: {hosts: [\"*\"], subaddress: {folder: create}}\n\
         maildir: {path: \"${ROOT}/{host}/{user}\", durability: none}",
    );
    let mut taken = 0;
    for local in NASTY {
        for address in [
            format!("{local}@example.org"),
            format!("\"{local}\"@example.org"),
        ] {
            let reply = send(&mut house.client(), &address);
            let refusals = ["501 5.1.3", "500 5.5.2"];
            if reply.starts_with("250 2.0.0") {
                taken += 1;
            } else {
                assert!(refusals.contains(&&reply[..9]), "{address}: {reply}");
            }
        }
    }
    for domain in NO_DOMAINS {
        let reply = send(&mut house.client(), &format!("a@{domain}"));
        assert!(reply.starts_with("501 5.1.3"), "{domain}: {reply}");
    }
    assert_eq!(house.folder.mail_count(), taken);
    assert!(taken > 45, "{taken}");
    for path in house.folder.tree() {
        assert!(is_part_of_a_maildir(&path), "{path}");
    }
}

/// `maildirs/host/user[/.folder]/{new,cur,tmp}[/message]`, with nothing but plain names.
fn is_part_of_a_maildir(path: &str) -> bool {
    let plain = |name: &str| {
        let octets = |octet: u8| octet.is_ascii_alphanumeric() || b"_+=-.%~".contains(&octet);
        !name.starts_with('.') && !name.is_empty() && name.bytes().all(octets)
    };
    let parts: Vec<&str> = path.split('/').collect();
    let inside = match parts.as_slice() {
        ["maildirs"] | ["maildirs", "example.org"] => return true,
        ["maildirs", "example.org", user, rest @ ..] if plain(user) => rest,
        _ => return false,
    };
    let inside = match inside {
        [folder, rest @ ..] if folder.strip_prefix('.').is_some_and(plain) => rest,
        inside => inside,
    };
    match inside {
        [] | ["new" | "cur" | "tmp" | "maildirfolder"] => true,
        ["new", message] => !message.starts_with('.') && message.contains(",S="),
        _ => false,
    }
}

/// A Maildir that is a link belongs to whoever made the link.
#[test]
fn a_link_is_not_followed() {
    let house = House::new("");
    let elsewhere = house.folder.path("elsewhere");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(elsewhere.join(part)).expect("a folder can be made");
    }
    fs::create_dir_all(house.folder.path("maildirs/example.org")).expect("a folder can be made");
    for (user, target) in [("bob", elsewhere.as_path()), ("eve", "bob".as_ref())] {
        let link = house.folder.path("maildirs/example.org").join(user);
        symlink(target, link).expect("a link can be made");
        let reply = send(&mut house.client(), &format!("{user}@example.org"));
        assert!(reply.starts_with("451 4.2.0 "), "{reply}");
    }
    house.folder.make("example.org/carol");
    let new = house.folder.path("maildirs/example.org/carol/new");
    fs::remove_dir(&new).expect("it is empty");
    symlink(elsewhere.join("new"), &new).expect("a link can be made");
    let reply = send(&mut house.client(), "carol@example.org");
    assert!(reply.starts_with("451 4.2.0 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 0);
    fs::remove_file(&new).expect("a link can be removed");
}

/// What is acknowledged is in the file system, not in a folder that is gone.
#[test]
fn a_maildir_may_vanish_between_two_messages() {
    let house = House::new("");
    let mut client = house.client();
    for _ in 0..3 {
        let reply = send(&mut client, "bob@example.org");
        assert!(reply.starts_with("250 "), "{reply}");
        assert_eq!(house.folder.mails("example.org/bob").len(), 1);
        let bob = house.folder.path("maildirs/example.org/bob");
        fs::remove_dir_all(bob).expect("it can be removed");
    }
}
