//! The scripts of `examples/php`, as people use them.

use std::fs;
use std::path::PathBuf;

use fastcgi_client::{Client, Params, Request};
use futures_util::io::Cursor;
use maiasaura::fastcgi::Answer;
use smol::net::unix::UnixStream;

use crate::client::mail_data;
use crate::fpm::Fpm;
use crate::house::{House, crlf};
use crate::letter::hand;

const SENDER: &str = "s@example.net";
const YOU: &str = "you@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\n.\r\nbody \xe9\r\n";
const OTHER: &[u8] = b"Subject: t\r\n\r\nanother body\r\n";

const PLAIN: [&str; 3] = ["Inbox.php", "receive.php", "validate.php"];
const LARAVEL: [&str; 3] = ["Inbox.php", "Signature.php", "laravel/routes/api.php"];
const SYMFONY: [&str; 3] = ["Inbox.php", "Signature.php", "symfony/MailController.php"];
const GUERRILLA: [&str; 3] = ["Inbox.php", "guerrilla/save.php", "guerrilla/validate.php"];

/// PHP with files of `examples/php` and an empty inbox.
fn application(examples: &[&str], lines: &str) -> Fpm {
    let fpm = Fpm::with(&format!(
        "php_admin_flag[display_errors] = off\nphp_admin_flag[log_errors] = on\n{lines}"
    ));
    let files: Vec<_> = examples
        .iter()
        .map(|name| format!("examples/php/{name}"))
        .collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    fpm.bring(&files);
    fpm.make("inbox");
    fpm
}

/// A receiver that asks this script while the client waits.
fn house(fpm: &Fpm, script: &str, keys: &str) -> House {
    House::new(&format!(
        "save: HeadersParser|Hasher|Header|MailDir|FastCGI\n\
         limits: {{message_size: 20MB}}\nfastcgi:\n  address: unix:{}\n  script: {}\n  \
         delivery: inline\n{keys}",
        fpm.path("php.sock").display(),
        fpm.path(script).display(),
    ))
}

/// The same, with `validate.php` for the recipients.
fn with_validation(fpm: &Fpm, script: &str, keys: &str) -> House {
    let validate = fpm.path("validate.php");
    let keys = format!(
        "{keys}  validate: {{script: {}}}\nvalidate: FastCGI\n",
        validate.display()
    );
    house(fpm, script, &keys)
}

fn inbox(fpm: &Fpm) -> Vec<PathBuf> {
    let entries = fs::read_dir(fpm.path("inbox")).expect("the inbox");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[track_caller]
fn delivers(house: &House, from: &str, content: &[u8], wanted: &str) {
    let reply = house.client().deliver(from, &[YOU], content);
    assert!(reply.starts_with(wanted), "{reply}");
}

/// A mail arrives as it was stored, another one beside it, and neither a second time.
fn keeps_each_mail_once(fpm: &Fpm, house: &House) {
    delivers(house, SENDER, MAIL, "250 2.0.0 ");
    let files = inbox(fpm);
    assert_eq!(files.len(), 1, "{files:?}");
    let name = files[0].file_name().expect("its name").to_string_lossy();
    let (key, end) = name.split_at(64);
    assert!(
        key.bytes().all(|octet| octet.is_ascii_hexdigit()) && end == ".eml",
        "{name}"
    );
    let stored = house.folder.mail("example.org/you");
    let stored = fs::read(&stored.path).expect("what was stored");
    assert_eq!(fs::read(&files[0]).expect("what arrived"), crlf(&stored));

    delivers(house, SENDER, MAIL, "250 2.0.0 ");
    assert_eq!(inbox(fpm), files, "a repeat is dropped");
    delivers(house, SENDER, OTHER, "250 2.0.0 ");
    delivers(house, "", MAIL, "250 2.0.0 ");
    assert_eq!(inbox(fpm).len(), 3, "other octets, another sender");
}

#[test]
fn a_plain_script() {
    let fpm = application(&PLAIN, "");
    let house = with_validation(&fpm, "receive.php", "");
    keeps_each_mail_once(&fpm, &house);
    let stored = house.folder.mail_count();
    delivers(
        &house,
        "noise@example.net",
        MAIL,
        "550 5.7.1 Your mail is not wanted here",
    );
    assert_eq!(house.folder.mail_count(), stored);
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("RCPT TO:<You@example.org>", "250 ");
    client.wants("RCPT TO:<nosuch@example.org>", "550 5.1.1 ");
    client.wants("RCPT TO:<former@example.org>", "550 5.2.1 Has moved on");
}

/// An inbox that cannot be written to is no reason to refuse or to lose mail.
#[test]
fn a_plain_script_without_its_inbox() {
    let fpm = application(&PLAIN, "");
    let house = with_validation(&fpm, "receive.php", "");
    fs::rename(fpm.path("inbox"), fpm.path("elsewhere")).expect("it is ours");
    delivers(&house, SENDER, MAIL, "451 4.3.0 ");
    assert_eq!(house.folder.mail_count(), 0);
    fs::rename(fpm.path("elsewhere"), fpm.path("inbox")).expect("it is ours");
    delivers(&house, SENDER, MAIL, "250 2.0.0 ");
    assert_eq!(inbox(&fpm).len(), 1);
}

/// The same mail over twenty connections at the same time.
#[test]
fn one_of_many_is_the_first() {
    let fpm = application(&PLAIN, "");
    let house = with_validation(&fpm, "receive.php", "  connections: 2\n");
    let mut clients: Vec<_> = (0..20).map(|_| house.client()).collect();
    for client in &mut clients {
        client.begin(SENDER, &[YOU]);
        client.send(&mail_data(MAIL));
    }
    for client in &mut clients {
        client.hears("250 2.0.0 ");
    }
    assert_eq!(inbox(&fpm).len(), 1);
}

#[test]
fn half_a_mail_is_not_kept() {
    let fpm = application(&PLAIN, "");
    let script = "<?php require 'Inbox.php'; $size = 1 + $_SERVER['CONTENT_LENGTH'];
        (new App\\Inbox(__DIR__ . '/inbox'))->keep($_SERVER['MAIL_KEY'], fopen('php://input', 'r'), $size);
        echo 'SAVED';";
    fpm.write("half.php", script);
    let Answer::Later { why, .. } = hand(&fpm.bridge("half.php"), MAIL) else {
        panic!("there is an octet too few");
    };
    assert!(why.contains("octets instead of"), "{why}");
    assert_eq!(inbox(&fpm), Vec::<PathBuf>::new());
}

#[test]
fn a_route_of_a_framework() {
    for (files, front, uri) in [
        (LARAVEL, "laravel.php", "/api/webhooks/mail"),
        (SYMFONY, "symfony.php", "/webhooks/mail"),
    ] {
        // Laravel needs it, and what is in no php.ini has to be asked for.
        let fpm = application(&files, "php_admin_value[extension] = mbstring.so");
        fpm.bring(&[&format!("tests/php/apps/{front}")]);
        let house_with =
            |secret: &str| house(&fpm, front, &format!("  uri: {uri}\n  secret: {secret}\n"));
        let house = house_with("s3cret");
        keeps_each_mail_once(&fpm, &house);
        let large = [MAIL, &b"0123456789\r\n".repeat(900_000)].concat();
        delivers(&house, SENDER, &large, "552 5.3.4 ");
        let stranger = house_with("guessed");
        delivers(&stranger, SENDER, b"Subject: forged\r\n\r\n", "451 4.3.0 ");
        assert_eq!(inbox(&fpm).len(), 3, "{front}");
        assert_eq!(stranger.folder.mail_count(), 0, "{front}");
    }
}

/// Below the limit of the route, and above `post_max_size`: Laravel refuses that for good.
#[test]
fn a_framework_may_have_a_limit_of_its_own() {
    let mail = [MAIL, &b"0123456789\r\n".repeat(100_000)].concat();
    for (files, front, uri, limit, wanted) in [
        (
            LARAVEL,
            "laravel.php",
            "/api/webhooks/mail",
            "1M",
            "552 5.3.4 ",
        ),
        (
            LARAVEL,
            "laravel.php",
            "/api/webhooks/mail",
            "2M",
            "250 2.0.0 ",
        ),
        (SYMFONY, "symfony.php", "/webhooks/mail", "1M", "250 2.0.0 "),
    ] {
        let lines = format!(
            "php_admin_value[extension] = mbstring.so\nphp_admin_value[post_max_size] = {limit}"
        );
        let fpm = application(&files, &lines);
        fpm.bring(&[&format!("tests/php/apps/{front}")]);
        let house = house(&fpm, front, &format!("  uri: {uri}\n  secret: s3cret\n"));
        delivers(&house, SENDER, &mail, wanted);
    }
}

#[test]
fn scripts_for_go_guerrilla() {
    let fpm = application(&GUERRILLA, "php_admin_value[post_max_size] = 100K");
    let house = with_validation(&fpm, "save.php", "  body: guerrilla\n");
    keeps_each_mail_once(&fpm, &house);
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("RCPT TO:<nosuch@example.org>", "550 5.1.1 ");
    let large = [MAIL, &b"0123456789\r\n".repeat(10_000)].concat();
    delivers(&house, SENDER, &large, "451 4.3.0 ");
    assert_eq!(inbox(&fpm).len(), 3);
}

/// The request as go-guerrilla makes it: all recipients at once, and no key.
#[test]
fn scripts_of_go_guerrilla_itself() {
    let fpm = application(&GUERRILLA, "");
    let form = "rcpt_to_0=you%40example.org&rcpt_to_1=bob%40example.org&remote_ip=192.0.2.7&subject=t\
        &tls_on=false&helo=h&mail_from=s%40example.net&body=Subject%3A+t%0D%0A%0D%0Abody%0D%0A";
    let save = |form: &str| ask(&fpm, "save.php", "POST", "", form);
    assert_eq!(save(form), "SAVED");
    assert_eq!(save(form), "SAVED");
    assert_eq!(inbox(&fpm).len(), 1);
    assert_eq!(save(&form.replace("bob", "carol")), "SAVED");
    assert_eq!(inbox(&fpm).len(), 2);
    let validate = |query: &str| ask(&fpm, "validate.php", "GET", query, "");
    assert_eq!(validate("rcpt_to=you%40example.org"), "PASSED");
    assert_eq!(validate("rcpt_to=test%40example.com"), "UNKNOWN");
}

/// The body of what PHP answers to these few parameters.
fn ask(fpm: &Fpm, script: &str, method: &str, query: &str, form: &str) -> String {
    let script = fpm.path(script).display().to_string();
    let parameters = Params::default()
        .script_filename(script)
        .request_method(method.to_owned())
        .query_string(query.to_owned())
        .content_type("application/x-www-form-urlencoded")
        .content_length(form.len());
    let request = Request::new(parameters, Cursor::new(form.as_bytes()));
    let answer = smol::block_on(async {
        let stream = UnixStream::connect(fpm.path("php.sock")).await?;
        Client::new(stream).execute_once(request).await
    });
    let answer = answer.expect("an answer").stdout.unwrap_or_default();
    let answer = String::from_utf8(answer).expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a header");
    body.to_owned()
}
