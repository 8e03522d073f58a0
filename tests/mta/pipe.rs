//! `maiasaura deliver`, started by an MTA for every message.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::content::{awkward, to_lf};
use crate::maildir::{Maildir, Stored};
use crate::mta::{BOTH, Kind, Mta, Way, folder_of};
use crate::receiver::folder;

const SENDER: &str = "sender@example.org";
const USERS: &str = "users: {good: , sender: , later: , full: {quota: 1kB}}";

/// A configuration and Maildirs for a user without rights.
struct Pipe {
    folder: TempDir,
}

impl Pipe {
    fn new(users: &str) -> Self {
        let pipe = Self { folder: folder() };
        folder_of("nobody", &pipe.folder.path().join("maildirs"));
        pipe.configure(&format!(
            "hostname: mx.example.org\n\
             recipients: {{hosts: [example.org], {users}}}\n\
             limits: {{message_size: 200kB}}\n\
             maildir: {{path: \"{}/maildirs/{{host}}/{{user}}\"}}\n",
            pipe.folder.path().display()
        ));
        pipe
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("maiasaura.yaml")
    }

    fn configure(&self, text: &str) {
        fs::write(self.configuration(), text).expect("a file");
    }

    fn start(&self, kind: Kind) -> Box<dyn Mta> {
        kind.start(&Way::Pipe(self.configuration()))
    }

    fn path(&self, user: &str) -> PathBuf {
        self.folder.path().join("maildirs/example.org").join(user)
    }

    /// Waits for one message of a user, and takes it away.
    #[track_caller]
    fn take(&self, mta: &dyn Mta, user: &str) -> Stored {
        let maildir = Maildir(self.path(user));
        let file = mta.until(&format!("a message for {user}"), || {
            maildir.files("new").pop()
        });
        let message = maildir.message();
        fs::remove_file(file).expect("it is there");
        message
    }
}

#[test]
fn what_is_refused_is_returned() {
    let big = [awkward("big"), "0123456789\r\n".repeat(25_000).into_bytes()].concat();
    for kind in BOTH {
        let pipe = Pipe::new(USERS);
        let mta = &*pipe.start(kind);
        for (to, message, reason) in [
            ("nosuch@example.org", &awkward("67"), "User unknown"),
            ("full@example.org", &awkward("77"), "Mailbox full"),
            ("good@example.org", &big, "Message too big"),
        ] {
            mta.send(SENDER, &[to], message, &[]);
            // Through the same pipe, from <>.
            let bounce = pipe.take(mta, "sender");
            let text = String::from_utf8_lossy(bounce.content()).into_owned();
            assert!(
                bounce.trace().starts_with("Return-Path: <>\n"),
                "{kind:?} {}",
                bounce.trace()
            );
            assert!(
                text.contains(to) && text.contains(reason),
                "{kind:?}: {reason} in\n{text}"
            );
        }
        mta.empty();
        assert!(Maildir(pipe.path("good")).files("new").is_empty());
    }
}

/// A Maildir that is not usable, and a configuration that is wrong: both can be mended.
#[test]
fn what_may_pass_waits() {
    for kind in BOTH {
        let pipe = Pipe::new(USERS);
        let mta = &*pipe.start(kind);
        mta.send(SENDER, &["good@example.org"], &awkward("first"), &[]);
        pipe.take(mta, "good");

        fs::write(pipe.path("later"), "no folder").expect("a file");
        mta.send(SENDER, &["later@example.org"], &awkward("75"), &[]);
        mta.waits(&["later@example.org", "Mailbox unavailable"]);
        fs::remove_file(pipe.path("later")).expect("it is there");
        pipe.take(mta, "later");

        let sound = fs::read_to_string(pipe.configuration()).expect("it is there");
        pipe.configure("recipents: {}\n");
        mta.send(SENDER, &["good@example.org"], &awkward("78"), &[]);
        mta.waits(&["good@example.org", "unknown key"]);
        pipe.configure(&sound);
        let stored = pipe.take(mta, "good");
        assert!(
            stored.content().ends_with(&to_lf(&awkward("78"))),
            "{kind:?}"
        );
        mta.empty();
        assert!(
            Maildir(pipe.path("sender")).files("new").is_empty(),
            "{kind:?}: a bounce"
        );
    }
}

/// Who sends, for whom it was before it was rewritten, and with eight bits.
#[test]
fn the_envelope_is_handed_over() {
    for kind in BOTH {
        let pipe = Pipe::new("users: any, subaddress: {delimiters: +}");
        let mta = &*pipe.start(kind);
        for (from, to, original) in [
            ("me@c.test", "good@example.org", None),
            ("", "good@example.org", None),
            ("me@c.test", "info@example.org", Some("info@example.org")),
            (
                "me@c.test",
                "good+lists@example.org",
                Some("good+lists@example.org"),
            ),
            ("\"a b\"@c.test", "good@example.org", None),
        ] {
            mta.send(from, &[to], &awkward("envelope"), &["BODY=8BITMIME"]);
            let stored = pipe.take(mta, "good");
            let trace = stored.trace();
            assert!(
                trace.starts_with(&format!("Return-Path: <{from}>\n")),
                "{kind:?} {trace}"
            );
            let known = trace
                .lines()
                .find_map(|line| line.strip_prefix("X-Original-To: "));
            assert_eq!(known, original, "{kind:?} {trace}");
            assert!(
                stored.content().ends_with(&to_lf(&awkward("envelope"))),
                "{kind:?}"
            );
        }
        mta.empty();
    }
}

/// Local parts that a shell or a reader of arguments could take for something else.
#[test]
fn addresses_may_hold_odd_characters() {
    let odd = [
        "o'brien",
        "a&b",
        "$HOME",
        "`id`",
        "x|y",
        "{a}",
        "!",
        "50%",
        "a*b?",
        "\"a b\"",
        "\"<x>\"",
        "\"a\\\"b\"",
        "\";id\"",
    ];
    for kind in BOTH {
        let pipe = Pipe::new("users: any");
        let mta = &*pipe.start(kind);
        for local in odd {
            let to = format!("{local}@example.org");
            mta.send(&format!("{local}@c.test"), &[&to], &awkward("odd"), &[]);
        }
        mta.empty();
        let folder = pipe.folder.path().join("maildirs/example.org");
        let users = fs::read_dir(folder).expect("a folder");
        let mut found = Vec::new();
        for user in users {
            let stored = Maildir(user.expect("an entry").path()).message();
            let trace = stored.trace();
            let to = trace
                .lines()
                .find_map(|line| line.strip_prefix("Delivered-To: "));
            let local = to
                .and_then(|to| to.strip_suffix("@example.org"))
                .expect("it is there");
            let sender = format!("return-path: <{local}@c.test>\n");
            assert!(
                trace.to_lowercase().starts_with(&sender),
                "{kind:?} {trace}"
            );
            found.push(local.to_owned());
        }
        let mut odd = odd.map(str::to_lowercase);
        found.sort();
        odd.sort();
        assert_eq!(found, odd, "{kind:?}\n{}", mta.log());
    }
}
