//! `maiasaura deliver`: a message from standard input, and an exit code that mail programs know.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::house::Folder;
use crate::process::{Ended, configure, run};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// Delivers from standard input.
#[track_caller]
fn deliver(folder: &Folder, arguments: &[&str], input: &[u8]) -> Ended {
    let start = ["-c", "config.yaml", "deliver"];
    run(folder, &[&start, arguments].concat(), input)
}

#[test]
fn deliver_takes_a_message_as_programs_of_this_machine_hand_it_over() {
    let folder = Folder::new();
    configure(&folder, "");
    let input = b"From s@example.net Fri Nov 20 12:00:00 2026\nSubject: t\n\n.\nFrom here on\n";
    let arguments = ["-f", SENDER, "-a", "info@example.org", BOB];
    let ended = deliver(&folder, &arguments, input);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stdout.is_empty() && ended.stderr.is_empty(),
        "{ended:#?}"
    );
    let mail = folder.mail("example.org/bob");
    assert_eq!(
        String::from_utf8_lossy(&mail.content),
        "Subject: t\n\n.\nFrom here on\n"
    );
    assert_eq!(
        mail.field("Return-Path").as_deref(),
        Some("<s@example.net>")
    );
    assert_eq!(mail.field("Delivered-To").as_deref(), Some(BOB));
    assert_eq!(
        mail.field("X-Original-To").as_deref(),
        Some("info@example.org")
    );
    let received = mail.field("Received").expect("it has one");
    assert!(
        received.starts_with("by mx.example.org with local id "),
        "{received}"
    );
}

#[test]
fn deliver_ends_with_the_codes_that_mail_programs_know() {
    let folder = Folder::new();
    configure(
        &folder,
        "limits: {message_size: 1kB, hops: 1}\n\
         recipients: {hosts: [example.org], users: {bob: {}, full: {quota: 10B}, link: {}}}",
    );
    fs::create_dir_all(folder.path("maildirs/example.org")).expect("it can be made");
    symlink("/tmp", folder.path("maildirs/example.org/link")).expect("it can be made");
    let loops = "Received: from a by b; today\n".repeat(2);
    let (full, link) = ("full@example.org", "link@example.org");
    for (arguments, input, code, said) in [
        (&[BOB][..], "Subject: t\n\nbody\n", 0, ""),
        (&["-f", "<>", BOB], "", 0, ""),
        (&[], "", 64, "RCPT"),
        (&["bob"], "", 64, "not an address"),
        (&["-f", "nobody", BOB], "", 64, "not an address"),
        (&["-a", "a@b.c", BOB, full], "", 64, "one recipient only"),
        (&[BOB], &"x".repeat(1001), 65, "Message too big"),
        (&[BOB], &loops, 65, "Mail loop"),
        (&["nosuch@example.org"], "", 67, "User unknown"),
        (&["bob@example.com"], "", 67, "Relaying denied"),
        (&[link], "", 75, "Mailbox unavailable"),
        (&[full, link], "", 75, "Mailbox unavailable"),
        (&[full], "more than ten\n", 77, "Mailbox full"),
    ] {
        let ended = deliver(&folder, arguments, input.as_bytes());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:#?}");
        assert!(
            ended.stderr.join("\n").contains(said),
            "{arguments:?}: {ended:#?}"
        );
    }
    assert_eq!(folder.mail_count(), 2);
    assert!(folder.leftovers().is_empty());
}

/// Whoever may do anything may also write where nobody may.
#[test]
fn a_maildir_that_cannot_be_written_is_no_reason_to_bounce() {
    let folder = Folder::new();
    configure(&folder, "");
    folder.make("example.org/bob");
    let tmp = folder.path("maildirs/example.org/bob/tmp");
    let set_mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&tmp, permissions).expect("it is ours");
    };
    set_mode(0o500);
    let may_write = fs::write(tmp.join("probe"), "").is_ok();
    let ended = deliver(&folder, &[BOB], MAIL);
    let code = if may_write { 0 } else { 75 };
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    assert_eq!(folder.mail_count(), usize::from(may_write));
    set_mode(0o700);
}
