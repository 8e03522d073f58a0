//! `maiasaura deliver`: a message from standard input, and an exit code that mail programs know.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::house::{Folder, Stored};
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

/// Whoever calls hands on what the world has written, hyphens and all.
#[test]
fn deliver_takes_addresses_that_look_like_something_else() {
    let folder = Folder::new();
    configure(&folder, "");
    let odd = [
        "-f@example.net",
        "--help@example.net",
        "-@example.net",
        "\"a b\"@example.net",
    ];
    let original = "--info@example.org";
    for sender in odd {
        let to = sender.replace(".net", ".org");
        for arguments in [
            &["-f", sender, "-a", original, "--", &to][..],
            &[&format!("-f{sender}"), &format!("-a{original}"), "--", &to],
            &[
                "-f",
                &format!("<{sender}>"),
                "-a",
                original,
                "--",
                &format!("<{to}>"),
            ],
        ] {
            let ended = deliver(&folder, arguments, b"Subject: t\n");
            assert_eq!(ended.code, Some(0), "{arguments:?} {ended:#?}");
        }
    }
    assert_eq!(folder.mail_count(), 3 * odd.len());
    let mail = folder.mails("example.org/--help").remove(0);
    assert_eq!(
        mail.field("Return-Path").as_deref(),
        Some("<--help@example.net>")
    );
    assert_eq!(mail.field("X-Original-To").as_deref(), Some(original));
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

/// The arguments of the line for Postfix in `--help`, after the name of the program.
fn documented(folder: &Folder) -> Vec<String> {
    let help = run(folder, &["deliver", "--help"], b"").stdout;
    let line = help
        .iter()
        .find_map(|line| line.trim().strip_prefix("argv="))
        .expect("it is there");
    line.split(' ').skip(1).map(str::to_owned).collect()
}

/// As pipe(8) calls it: `flags=R` prepends a Return-Path, and a bounce has no sender.
#[test]
fn the_line_for_postfix_works_as_it_is_documented() {
    let folder = Folder::new();
    configure(&folder, "");
    for (count, (sender, original, path)) in [
        (SENDER, "info@example.org", "<s@example.net>"),
        ("", BOB, "<>"),
        ("mailer-daemon", "root", "<>"),
    ]
    .into_iter()
    .enumerate()
    {
        let named = |argument: &String| match argument.as_str() {
            "${sender}" => sender.to_owned(),
            "${original_recipient}" => original.to_owned(),
            "${recipient}" => BOB.to_owned(),
            _ => argument.clone(),
        };
        let arguments: Vec<String> = documented(&folder).iter().map(named).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let input = format!("Return-Path: <{sender}>\nSubject: t\n\nbody\n");
        let start = ["-c", "config.yaml"];
        let ended = run(
            &folder,
            &[&start, &arguments[..]].concat(),
            input.as_bytes(),
        );
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:#?}");
        assert_eq!(folder.mail_count(), count + 1);
        let mail = folder.mails("example.org/bob");
        let paths = |mail: &Stored| mail.field("Return-Path").as_deref() == Some(path);
        assert!(mail.iter().any(paths), "{mail:#?}");
        let is_clean = |mail: &Stored| mail.content == b"Subject: t\n\nbody\n";
        assert!(mail.iter().all(is_clean), "{mail:#?}");
    }
}

/// Only where the log is a file: what is on standard error, Postfix puts into a bounce.
#[test]
fn deliver_has_a_line_in_the_log() {
    let folder = Folder::new();
    configure(&folder, "log: {file: \"${FOLDER}/mail.log\", format: json}");
    let ended = deliver(&folder, &["-f", SENDER, BOB], MAIL);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stderr.is_empty(), "{ended:#?}");
    let ended = deliver(&folder, &["bob@example.com"], MAIL);
    assert_eq!(ended.code, Some(67), "{ended:#?}");
    let log = fs::read_to_string(folder.path("mail.log")).expect("it is there");
    let [message, refused] = &log.lines().collect::<Vec<_>>()[..] else {
        panic!("not two lines: {log}");
    };
    for part in [
        "\"event\":\"message\",\"id\":\"",
        "\"client\":\"local\",\"protocol\":\"local\",\"from\":\"s@example.net\",",
        "\"to\":\"bob@example.org\",\"nrcpt\":1,\"size\":20,\"delay\":0.",
        ",\"status\":\"delivered\"}",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(
        refused.contains("\"event\":\"recipient refused\""),
        "{refused}"
    );
}

/// A log that cannot be written sends no mail back.
#[test]
fn deliver_does_without_its_log() {
    let folder = Folder::new();
    configure(&folder, "log: {file: /nowhere/log}");
    let ended = deliver(&folder, &[BOB], MAIL);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stderr.is_empty(), "{ended:#?}");
    assert_eq!(folder.mail_count(), 1);
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
