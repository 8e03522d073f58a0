//! Every form of a message, as PHP sees it. The scripts compare, and say what is wrong.

use std::time::SystemTime;

use maiasaura::fastcgi::{Answer, Body, Bridge, Content, Letter, Secret, Settings, Verdict};

use crate::fpm::Fpm;
use crate::letter::{OnDisk, TRACE, envelope, hand, message};

#[test]
fn every_form_arrives() {
    let fpm = Fpm::start();
    let message = message();
    fpm.write("mail.eml", [TRACE.as_bytes(), &message].concat());
    for (body, script) in [
        (Body::Raw, "raw.php"),
        (Body::Json, "json.php"),
        (Body::Multipart, "multipart.php"),
        (Body::Guerrilla, "guerrilla.php"),
        (Body::Sendgrid, "sendgrid.php"),
        (Body::Mailgun, "mailgun.php"),
        (Body::Postmark, "postmark.php"),
        (Body::Postal, "postal.php"),
    ] {
        let bridge = Bridge::new(Settings {
            body,
            secret: Some(Secret::new("s3cret")),
            ..fpm.settings(script)
        });
        assert_eq!(hand(&bridge, &message), Answer::Delivered, "{script}");
        // And the scripts do look.
        let other = [&message[..20], b"x", &message[20..]].concat();
        let answer = hand(&bridge, &other);
        assert!(
            matches!(answer, Answer::Later { .. }),
            "{script}: {answer:?}"
        );
    }
}

#[test]
fn php_may_read_the_file_itself() {
    let fpm = Fpm::start();
    let message = message();
    let path = fpm.write("mail.eml", &message);
    let bridge = Bridge::new(Settings {
        body: Body::Path,
        ..fpm.settings("path.php")
    });
    let (envelope, file) = (envelope(&message), OnDisk::open(&path));
    let letter = Letter {
        envelope: &envelope,
        trace: "",
        content: Content::Stored(&file),
        path: Some(&path),
    };
    assert_eq!(smol::block_on(bridge.hand(letter, 2)), Answer::Delivered);
    let nowhere = Letter {
        path: None,
        ..letter
    };
    let answer = smol::block_on(bridge.hand(nowhere, 2));
    assert!(matches!(answer, Answer::Later { .. }), "{answer:?}");
}

/// Much more than `post_max_size`, from memory and from a file.
#[test]
fn twenty_megabytes_arrive() {
    let fpm = Fpm::with("php_admin_flag[display_errors] = off");
    let noise = blake3::Hasher::new().finalize_xof();
    let mut octets = vec![0; 20_000_000];
    std::io::Read::read_exact(&mut { noise }, &mut octets).expect("there is no end of it");
    let path = fpm.write("mail.eml", [TRACE.as_bytes(), &octets].concat());
    let bridge = fpm.bridge("large.php");
    assert_eq!(hand(&bridge, &octets), Answer::Delivered);
    let (envelope, file) = (envelope(&octets), OnDisk::open(&path));
    let letter = Letter {
        envelope: &envelope,
        trace: "",
        content: Content::Stored(&file),
        path: None,
    };
    assert_eq!(smol::block_on(bridge.hand(letter, 1)), Answer::Delivered);
}

/// Where PHP shows its warnings, the one about `post_max_size` comes before everything that the
/// script says: nothing is acknowledged, and nothing is lost.
#[test]
fn a_warning_is_no_acknowledgement() {
    let fpm = Fpm::with("php_admin_value[post_max_size] = 1K");
    let answer = hand(&fpm.bridge("saved.php"), &[b'x'; 2000]);
    let Answer::Later { why, .. } = answer else {
        panic!("{answer:?}");
    };
    assert!(
        why.contains("no acknowledgement") && why.contains("exceeds the limit"),
        "{why}"
    );
    assert_eq!(
        hand(&fpm.bridge("saved.php"), &[b'x'; 500]),
        Answer::Delivered
    );
}

#[test]
fn a_framework_finds_its_route() {
    let fpm = Fpm::start();
    let mut settings = fpm.settings("front.php");
    settings.save.uri = Some("/webhooks/mail?from=maiasaura".into());
    assert_eq!(hand(&Bridge::new(settings), &message()), Answer::Delivered);
}

#[test]
fn recipients_are_known_or_not() {
    let fpm = Fpm::start();
    let bridge = fpm.bridge("validate.php");
    let ask = |rcpt: &str| {
        let mut envelope = envelope(b"");
        envelope.rcpt = rcpt.into();
        envelope.received = SystemTime::now();
        smol::block_on(bridge.ask(&envelope)).verdict
    };
    assert_eq!(ask("bob+x@example.org"), Verdict::Passed);
    assert_eq!(ask("passed@example.org"), Verdict::Passed);
    assert_eq!(ask("\"a b&c\"@example.org"), Verdict::Passed);
    let codes = |verdict: Verdict| match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Refused { reply, .. } | Verdict::Unknown { reply, .. } => reply.to_string(),
    };
    assert_eq!(codes(ask("nosuch@example.org")), "550 5.1.1 User unknown");
    assert_eq!(codes(ask("gone@example.org")), "550 5.2.1 Gone fishing");
    assert!(codes(ask("broken@example.org")).starts_with("451 4.3.0 "));
}
