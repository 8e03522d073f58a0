//! What goes wrong with PHP: never a refusal, always another try.

use maiasaura::fastcgi::{Answer, Body, Bridge, Settings};
use std::time::Duration;

use crate::fpm::{Fpm, is_root, set_mode};
use crate::letter::{hand, message};

/// Why it has to be tried again.
#[track_caller]
fn why(answer: Answer) -> String {
    match answer {
        Answer::Later { why, reply, .. } => {
            assert_eq!(reply.status().as_deref(), Some("4.3.0"));
            why
        }
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn scripts_that_fail_are_tried_again() {
    let fpm = Fpm::with("php_admin_value[memory_limit] = 8M");
    for (name, script, said) in [
        (
            "throws.php",
            "<?php throw new Exception('x');",
            "no acknowledgement: status 200",
        ),
        ("syntax.php", "<?php echo 'SAVED' oops", "Parse error"),
        (
            "flushed.php",
            "<?php echo 'hello'; flush(); nosuch();",
            "no acknowledgement",
        ),
        (
            "memory.php",
            "<?php $x = str_repeat('x', 100000000); echo 'SAVED';",
            "Allowed memory",
        ),
        (
            "status.php",
            "<?php http_response_code(500); echo 'SAVED';",
            "no success: status 500",
        ),
        ("empty.php", "", "no acknowledgement"),
        (
            "killed.php",
            "<?php echo 'SAVED'; flush(); exec('kill -9 ' . getmypid()); sleep(60);",
            "before the end of the answer",
        ),
        (
            "noise.php",
            "<?php for ($i = 0; $i < 200000; $i++) echo chr($i * 31 % 256);",
            "no acknowledgement",
        ),
        (
            "much.php",
            "<?php echo 'SAVED'; for ($i = 0; $i < 40; $i++) echo str_repeat('x', 1 << 20);",
            "more than 16 MiB",
        ),
        ("deep.php", "<?php function f() { f(); } f();", ""),
    ] {
        fpm.write(name, script);
        let why = why(hand(&fpm.bridge(name), &message()));
        assert!(why.contains(said), "{name}: {why}");
    }
    assert_eq!(
        hand(&fpm.bridge("saved.php"), &message()),
        Answer::Delivered
    );
}

/// 404 and 403 that no script has said.
#[test]
fn scripts_that_cannot_be_run_are_tried_again() {
    let fpm = Fpm::start();
    let path = fpm.write("unreadable.php", "<?php echo 'SAVED';");
    set_mode(&path, 0);
    fpm.write("script.txt", "<?php echo 'SAVED';");
    let mut scripts = vec!["missing.php", "script.txt"];
    // Workers of somebody else than the owner may not read it; the owner may not either.
    if is_root() || std::fs::read(&path).is_err() {
        scripts.push("unreadable.php");
    }
    for script in scripts {
        let why = why(hand(&fpm.bridge(script), &message()));
        assert!(
            why.starts_with("PHP-FPM cannot run the script"),
            "{script}: {why}"
        );
    }
    // With a message that PHP-FPM does not read before it answers.
    let large = vec![b'x'; 20_000_000];
    let why = why(hand(&fpm.bridge("missing.php"), &large));
    assert!(why.starts_with("PHP-FPM cannot run the script"), "{why}");
}

/// A worker that has just run it finds that it is gone, and says so in other words than one that has
/// never seen it.
#[test]
fn a_script_that_vanishes_is_tried_again() {
    let fpm = Fpm::with("php_admin_value[fastcgi.logging] = 0");
    fpm.write("vanishes.php", "<?php echo 'SAVED';");
    let bridge = fpm.bridge("vanishes.php");
    for _ in 0..8 {
        assert_eq!(hand(&bridge, &message()), Answer::Delivered);
    }
    std::fs::remove_file(fpm.path("vanishes.php")).expect("it is there");
    for _ in 0..8 {
        let why = why(hand(&bridge, &message()));
        assert!(why.starts_with("PHP-FPM cannot run the script"), "{why}");
    }
}

/// PHP runs the script without what it was sent: what the script says then is of nothing. That it is
/// too much it may say all the same.
#[test]
fn a_form_that_php_drops_is_tried_again() {
    let message = [&b"Subject: t\r\n\r\n"[..], &b"line\r\n".repeat(4000)].concat();
    for (complaints, is_shown) in [
        (
            "php_admin_flag[display_errors] = off\nphp_admin_flag[log_errors] = on",
            false,
        ),
        (
            "php_admin_value[output_buffering] = 4096\nphp_admin_flag[log_errors] = off",
            true,
        ),
    ] {
        let limit = "php_admin_value[post_max_size] = 8K";
        let fpm = Fpm::with(&format!("{limit}\n{complaints}"));
        fpm.write("no.php", "<?php http_response_code(422);");
        fpm.write("large.php", "<?php http_response_code(413);");
        let takes = "<?php header(\"X-Mail-Ack: $_SERVER[MAIL_KEY]\");";
        fpm.write("takes.php", takes);
        let hand = |script: &str, body| {
            let settings = fpm.settings(script);
            hand(&Bridge::new(Settings { body, ..settings }), &message)
        };
        for body in [
            Body::Multipart,
            Body::Sendgrid,
            Body::Mailgun,
            Body::Guerrilla,
        ] {
            for script in ["saved.php", "takes.php", "no.php"] {
                let why = why(hand(script, body));
                assert!(why.starts_with("PHP has dropped the form"), "{why}");
            }
            // Below a warning that is shown there is no room for a status.
            let refused = hand("large.php", body);
            let is_heard = matches!(refused, Answer::Never { .. });
            assert!(is_heard || is_shown, "{refused:?}");
        }
        let raw = hand("takes.php", Body::Raw);
        assert!(raw == Answer::Delivered || is_shown, "{raw:?}");
    }
}

/// The subject is a stranger's, and scripts log it.
#[test]
fn a_subject_is_no_complaint_of_php() {
    let fpm = Fpm::with("php_admin_flag[log_errors] = on");
    fpm.write(
        "logs.php",
        "<?php error_log($_POST['subject']); echo 'SAVED ', $_POST['subject'];",
    );
    let settings = fpm.settings("logs.php");
    let body = Body::Guerrilla;
    let bridge = Bridge::new(Settings { body, ..settings });
    for before in ["", "PHP Warning:  Unknown: "] {
        let said =
            "POST Content-Length of 5 bytes exceeds the limit of 1 bytes in Unknown on line 0";
        let message = format!("Subject: {before}{said}\r\n\r\nx\r\n");
        assert_eq!(hand(&bridge, message.as_bytes()), Answer::Delivered);
    }
}

/// A framework says 404 for every route that it has not.
#[test]
fn a_route_that_is_missing_is_tried_again() {
    let fpm = Fpm::start();
    fpm.write("index.php", "<?php http_response_code(404);");
    let mut settings = fpm.settings("index.php");
    let refused = hand(&Bridge::new(settings.clone()), &message());
    assert!(matches!(refused, Answer::Never { .. }), "{refused:?}");
    settings.save.uri = Some("/api/webhook/mail".into());
    let why = why(hand(&Bridge::new(settings), &message()));
    assert!(why.contains("no route /api/webhook/mail"), "{why}");
}

#[test]
fn a_script_that_hangs_is_not_waited_for() {
    let fpm = Fpm::start();
    fpm.write("hangs.php", "<?php sleep(600); echo 'SAVED';");
    let bridge = Bridge::new(Settings {
        timeout: Duration::from_millis(300),
        ..fpm.settings("hangs.php")
    });
    let said = why(hand(&bridge, &message()));
    assert_eq!(said, "no answer within 300ms");
}

#[test]
fn a_script_that_fpm_ends_is_tried_again() {
    let fpm = Fpm::with("request_terminate_timeout = 1s");
    fpm.write("hangs.php", "<?php sleep(600); echo 'SAVED';");
    let said = why(hand(&fpm.bridge("hangs.php"), &message()));
    assert!(said.contains("before the end of the answer"), "{said}");
}

#[test]
fn fpm_may_be_away() {
    let mut fpm = Fpm::start();
    let bridge = fpm.bridge("saved.php");
    assert_eq!(hand(&bridge, &message()), Answer::Delivered);
    fpm.stop();
    let said = why(hand(&bridge, &message()));
    assert!(said.starts_with("cannot connect to unix:/"), "{said}");
    fpm.run();
    assert_eq!(hand(&bridge, &message()), Answer::Delivered);
}

/// A refusal is one, and PHP's own words go to the client.
#[test]
fn php_may_refuse() {
    let fpm = Fpm::start();
    fpm.write(
        "no.php",
        "<?php header('X-SMTP-Reply: 550 5.7.9 Not for us');",
    );
    fpm.write(
        "wait.php",
        "<?php http_response_code(503); header('Retry-After: 30');",
    );
    let Answer::Never { reply, .. } = hand(&fpm.bridge("no.php"), &message()) else {
        panic!("it is a refusal");
    };
    assert_eq!(reply.to_string(), "550 5.7.9 Not for us");
    fpm.write("silent.php", "<?php header('X-SMTP-Reply: 550');");
    let Answer::Never { reply, .. } = hand(&fpm.bridge("silent.php"), &message()) else {
        panic!("it is a refusal");
    };
    assert_eq!(reply.to_string(), "550 5.7.1 Refused by the application");
    let Answer::Later { after, .. } = hand(&fpm.bridge("wait.php"), &message()) else {
        panic!("it asks for patience");
    };
    assert_eq!(after, Some(Duration::from_secs(30)));
}
