use super::*;
use crate::fastcgi::{Body, Endpoint, Opinion, Verdict};

const KEY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
const RCPT: &str = "Bob@example.org";

fn output(stdout: &str, stderr: &str) -> Output {
    Output {
        stdout: stdout
            .replace('\n', "\r\n")
            .replace("{key}", KEY)
            .into_bytes(),
        stderr: stderr.into(),
    }
}

/// As it is configured by default, but for this.
fn settings(acknowledgement: Acknowledgement) -> Settings {
    let script = Script {
        file: "/app/x.php".into(),
        root: "/app".into(),
        uri: None,
    };
    Settings {
        endpoint: Endpoint::Unix("/nowhere".into()),
        save: script.clone(),
        validate: script,
        body: Body::Raw,
        acknowledgement,
        secret: None,
        connections: 1,
        connect_timeout: Duration::ZERO,
        timeout: Duration::ZERO,
        validate_timeout: Duration::ZERO,
    }
}

/// An answer in a few words: `250`, `451 4.3.0 after 5s`, `never 550 5.7.1`.
fn saved(stdout: &str, stderr: &str, settings: &Settings) -> String {
    match save(&output(stdout, stderr), KEY, 70_000, settings) {
        Answer::Delivered => "delivered".into(),
        Answer::Later {
            after: None, reply, ..
        } => format!("later {}", codes(&reply)),
        Answer::Later {
            after: Some(after),
            reply,
            ..
        } => format!("later {} after {after:?}", codes(&reply)),
        Answer::Never { reply, .. } => format!("never {}", codes(&reply)),
    }
}

fn validated(stdout: &str, stderr: &str, settings: &Settings) -> String {
    match validate(&output(stdout, stderr), RCPT, settings).verdict {
        Verdict::Passed => "passed".into(),
        Verdict::Refused { reply, .. } => format!("refused {}", codes(&reply)),
        Verdict::Unknown { reply, .. } => format!("unknown {}", codes(&reply)),
    }
}

fn codes(reply: &Reply) -> String {
    format!("{} {}", reply.code(), reply.status().unwrap_or_default())
}

/// What PHP says, what it complains of, and what that means for a message and for a recipient.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str, &str)] = &[
    ("X: y\n\nSAVED", "", "delivered", "unknown 451 4.3.0"),
    ("X: y\n\n\n SAVED 5\n", "", "delivered", "unknown 451 4.3.0"),
    ("X: y\n\nOK", "", "delivered", "unknown 451 4.3.0"),
    ("X: y\n\nOKAY", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X: y\n\nPASS", "", "later 451 4.3.0", "passed"),
    ("X: y\n\nPASSED\n", "", "later 451 4.3.0", "passed"),
    ("X: y\n\nPASSWORD", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("\nSAVED", "", "delivered", "unknown 451 4.3.0"),
    ("Status: 201 Created\n\nSAVED", "", "delivered", "unknown 451 4.3.0"),
    ("Status: 204 No Content\n\n", "", "later 451 4.3.0", "passed"),
    ("Status: 204\nx-mail-ack: {key}\n\n", "", "delivered", "passed"),
    ("X-Mail-Ack: {key}\n\nanything", "PHP Warning: x", "delivered", "unknown 451 4.3.0"),
    ("X-Mail-Ack: 5\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X: y\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X: y\n\n<br />\n<b>Fatal error</b>: SAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 301\nLocation: /\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 400\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 401\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 403\n\n", "", "never 550 5.7.1", "refused 550 5.7.1"),
    ("Status: 404\n\n", "", "never 550 5.7.1", "refused 550 5.1.1"),
    ("Status: 404 Not Found\n\nFile not found.\n", "Primary script unknown", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 404 Not Found\n\nFile not found.\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 404 Not Found\n\nNo input file specified.\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 403 Forbidden\n\nAccess denied.\n", "Access to the script '/x' has been denied (see security.limit_extensions)", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 403 Forbidden\n\nno\n", "Unable to open primary script: /x.php (Permission denied)", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 406\n\n", "", "never 550 5.7.1", "unknown 451 4.3.0"),
    ("Status: 408\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 410\n\n", "", "never 550 5.7.1", "refused 550 5.1.1"),
    ("Status: 413\n\n", "", "never 552 5.3.4", "unknown 451 4.3.0"),
    ("Status: 422\n\n", "", "never 550 5.7.1", "unknown 451 4.3.0"),
    ("Status: 425\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 429\nRetry-After: 7\n\n", "", "later 451 4.3.0 after 7s", "unknown 451 4.3.0"),
    ("Status: 503\nRetry-After: 99999999999\n\n", "", "later 451 4.3.0 after 86400s", "unknown 451 4.3.0"),
    ("Status: 503\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\n\n", "", "later 451 4.3.0 after 86400s", "unknown 451 4.3.0"),
    ("Status: 503\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\n\n", "", "later 451 4.3.0 after 0ns", "unknown 451 4.3.0"),
    ("Status: 503\nRetry-After: soon\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 500 Internal Server Error\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 599\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X-SMTP-Reply: 550 5.7.9 no, thanks\n\n", "", "never 550 5.7.9", "refused 550 5.7.9"),
    ("X-SMTP-Reply: 554\n\nSAVED", "", "never 554 5.7.1", "refused 554 5.7.1"),
    ("X-SMTP-Reply: 450 4.2.1 later\nRetry-After: 60\n\n", "", "later 450 4.2.1 after 60s", "refused 450 4.2.1"),
    ("X-SMTP-Reply: 550 4.2.1 odd\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X-SMTP-Reply: 250 2.0.0 fine\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X-SMTP-Reply: 421 4.0.0 bye\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X-SMTP-Reply: no\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X-SMTP-Reply: 550x\n\n", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("", "PHP Fatal error", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("SAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: abc\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("Status: 2000\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("PHP Warning: x\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("<b>Warning</b>: x\nX: y\n\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
    ("X: y\nSAVED", "", "later 451 4.3.0", "unknown 451 4.3.0"),
];

#[test]
fn answers_mean_what_the_table_says() {
    for (stdout, stderr, message, recipient) in TABLE {
        let required = &settings(Acknowledgement::Required);
        assert_eq!(saved(stdout, stderr, required), *message, "{stdout}");
        assert_eq!(validated(stdout, stderr, required), *recipient, "{stdout}");
    }
}

/// What is true for all who ask is remembered as long as the configuration says, what is said of one
/// of them is not; PHP may want it otherwise.
#[test]
fn answers_hold_for_a_while() {
    for (stdout, seconds) in [
        ("X: y\n\nPASS", None),
        ("Status: 204\n\n", None),
        ("Status: 404\n\n", None),
        ("Status: 410\nCache-Control: no-cache, private\n\n", None),
        ("Status: 403\n\n", Some(0)),
        ("Status: 403\nCache-Control: max-age=60\n\n", Some(60)),
        ("X-SMTP-Reply: 550 no\n\n", Some(0)),
        ("X-SMTP-Reply: 450 later\n\n", Some(0)),
        (
            "Cache-Control: max-age=5\nX-SMTP-Reply: 550 no\n\n",
            Some(5),
        ),
        ("cache-control: NO-STORE\n\nPASS", Some(0)),
        (
            "Cache-Control: no-store, no-cache, must-revalidate\n\nPASS",
            Some(0),
        ),
        ("Cache-Control: max-age=60, no-store\n\nPASS", Some(0)),
        (
            "Cache-Control: private\nCache-Control: max-age=0\n\nPASS",
            Some(0),
        ),
        ("Cache-Control: public,max-age=\"7\"\n\nPASS", Some(7)),
        ("Cache-Control: max-age=99999999999\n\nPASS", Some(86400)),
        ("Cache-Control: max-age=-1, max-age\n\nPASS", None),
    ] {
        let Opinion { lifetime, .. } = validate(
            &output(stdout, ""),
            RCPT,
            &settings(Acknowledgement::Required),
        );
        assert_eq!(lifetime, seconds.map(Duration::from_secs), "{stdout}");
    }
}

/// A framework that has not the route says what an application says that refuses.
#[test]
fn a_missing_route_is_no_refusal() {
    let mut settings = settings(Acknowledgement::Required);
    settings.save.uri = Some("/mail".into());
    settings.validate.uri = Some("/who".into());
    for (stdout, message, recipient) in [
        ("Status: 404\n\n", "later 451 4.3.0", "unknown 451 4.3.0"),
        ("Status: 410\n\n", "never 550 5.7.1", "refused 550 5.1.1"),
        (
            "Status: 404\nX-SMTP-Reply: 550 5.1.1 no\n\n",
            "never 550 5.1.1",
            "refused 550 5.1.1",
        ),
    ] {
        assert_eq!(saved(stdout, "", &settings), message, "{stdout}");
        assert_eq!(validated(stdout, "", &settings), recipient, "{stdout}");
    }
}

/// PHP's own line, about the form that it was sent, is believed. Whoever writes to an application may
/// know that line, too.
#[test]
fn only_php_says_that_it_has_dropped_a_form() {
    const LINE: &str = "POST Content-Length of 70000 bytes exceeds the limit of 8192 bytes";
    let mut settings = settings(Acknowledgement::Required);
    settings.body = Body::Guerrilla;
    let heard = |shown: &str, stderr: &str| {
        saved(
            &format!("X-Mail-Ack: {{key}}\n\n{shown}"),
            stderr,
            &settings,
        )
    };
    for origin in ["PHP Request Startup: ", "Unknown: ", ""] {
        let logged = format!("PHP Warning:  {origin}{LINE} in Unknown on line 0");
        let shown = format!("\nWarning: {origin}{LINE} in Unknown on line 0\nSAVED");
        let page = format!(
            "<br />\n<b>Warning</b>:  {origin}{LINE} in <b>Unknown</b> on line <b>0</b><br />\nSAVED"
        );
        for (shown, stderr) in [
            ("SAVED", &logged),
            ("SAVED", &format!("PHP message: {logged}\nPHP message: x\n")),
            ("SAVED", &format!("PHP message: x\nPHP message: {logged}\n")),
            (&shown, &String::new()),
            (&page, &String::new()),
        ] {
            assert_eq!(heard(shown, stderr), "later 451 4.3.0", "{shown} {stderr}");
        }
    }
    let whole = format!("PHP Warning:  Unknown: {LINE} in Unknown on line 0");
    for said in [
        LINE,
        &format!("PHP message: new mail: {LINE}"),
        &format!("new mail: {whole}"),
        &format!("{whole}, you say"),
        &whole.replace("70000", "69999"),
        &whole.replace("8192", "70000"),
        &whole.replace("8192", "no"),
    ] {
        assert_eq!(heard("SAVED", said), "delivered", "{said}");
        assert_eq!(heard(said, ""), "delivered", "{said}");
    }
}

/// In a script for go-guerrilla words refuse a recipient that say nothing else; whatever else is
/// said may be of an outage.
#[test]
fn words_refuse_that_say_nothing_else() {
    let mut settings = settings(Acknowledgement::Required);
    settings.body = Body::Guerrilla;
    let verdict = |said: &str, stderr| validated(&format!("X: y\n\n{said}"), stderr, &settings);
    for said in [
        "NOT FOUND",
        "UNKNOWN\n",
        "NO",
        "rejected",
        "DENIED",
        "Invalid recipient.",
        "No such user: bob@example.org",
        "The mailbox \"bob@example.org\" doesn't exist!",
        "Recipient <bob@example.org> does not exist",
        "Sorry, no mailbox here by that address",
        "550 5.1.1 User unknown",
        "NOT PASSED",
    ] {
        assert_eq!(verdict(said, ""), "refused 550 5.1.1", "{said}");
        assert_eq!(verdict(said, "x"), "unknown 451 4.3.0", "{said}");
    }
    for said in [
        "",
        "-",
        "550",
        "user",
        "bob@example.org",
        "FAILED",
        "Array",
        "No such file or directory",
        "Server shutdown in progress",
        "Deadlock found when trying to get lock; try restarting transaction",
        "down for maintenance",
        "Out of memory",
        "disk full",
        "Connection refused",
        "Permission denied",
        "Access denied for user 'mail'@'localhost'",
        "Unknown database 'mail'",
        "Table 'mail.users' doesn't exist",
        "No such user: mail@localhost",
        "Host not found",
        "Name or service not known",
        "unknown error",
        "<b>NOT FOUND</b>",
        "NOT FOUND\u{0}",
        "gel\u{f6}scht",
    ] {
        assert_eq!(verdict(said, ""), "unknown 451 4.3.0", "{said}");
    }
}

#[test]
fn a_status_is_enough_where_that_is_wanted() {
    for (stdout, message, recipient) in [
        ("X: y\n\n", "delivered", "passed"),
        ("Status: 202\n\nfine", "delivered", "passed"),
        ("Status: 300\n\n", "later 451 4.3.0", "unknown 451 4.3.0"),
        ("garbage", "later 451 4.3.0", "unknown 451 4.3.0"),
        (
            "X-SMTP-Reply: 550 no\n\n",
            "never 550 5.7.1",
            "refused 550 5.7.1",
        ),
    ] {
        let status = &settings(Acknowledgement::Status);
        assert_eq!(saved(stdout, "", status), message, "{stdout}");
        assert_eq!(validated(stdout, "", status), recipient, "{stdout}");
    }
}

#[test]
fn a_reply_is_cleaned() {
    let long = "x".repeat(5000);
    let stdout = format!("X-SMTP-Reply: 550 5.1.1 \u{fc}\u{1}\ttoo {long}\n\n");
    let Answer::Never { reply, .. } = save(
        &output(&stdout, ""),
        KEY,
        0,
        &settings(Acknowledgement::Required),
    ) else {
        panic!("it is a refusal");
    };
    let text = format!("???too {long}");
    assert_eq!(reply.text(), &text[..400]);
    for (value, text) in [
        ("550", "550 5.7.1 Refused by the application"),
        ("554 5.6.0", "554 5.6.0 Refused by the application"),
        ("450 4.2.1 ", "450 4.2.1 Temporary fault, try again later"),
    ] {
        let stdout = format!("X-SMTP-Reply: {value}\n\n");
        let settings = settings(Acknowledgement::Required);
        let (Answer::Never { reply, .. } | Answer::Later { reply, .. }) =
            save(&output(&stdout, ""), KEY, 0, &settings)
        else {
            panic!("it is no delivery");
        };
        assert_eq!(reply.to_string(), text);
    }
}

/// The bare words of PHP's errors are in the log; a whole megabyte of them is not.
#[test]
fn the_log_is_told_how_it_begins() {
    let stderr = format!("PHP Fatal error {}", "x".repeat(100_000));
    let Answer::Later { why, .. } = save(
        &output("Status: 500\n\n", &stderr),
        KEY,
        0,
        &settings(Acknowledgement::Required),
    ) else {
        panic!("it is tried again");
    };
    assert!(
        why.starts_with("no success: status 500, stderr \"PHP Fatal error xx"),
        "{why}"
    );
    assert!(why.len() < 300, "{why}");
}
