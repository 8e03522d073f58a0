//! Requests with a signature, and `Signature.php` that knows them.

use maiasaura::fastcgi::{Answer, Body, Bridge, Secret, Settings};

use crate::fpm::Fpm;
use crate::letter::{hand, message};

/// What is true of a request, and of those that somebody makes who has overheard it.
const SCRIPT: &str = r#"<?php
require 'Signature.php';
$signature = new App\Signature('s3cret');
$input = fn () => fopen('php://input', 'rb');
$other = function () {
    $other = fopen('php://memory', 'w+b');
    fwrite($other, 'another body');
    rewind($other);
    return $other;
};
$with = fn (array $changed) => array_merge($_SERVER, $changed);
// Made with the secret, at another time.
$at = function (string $time) {
    $lines = ['v2', $time, $_SERVER['MAIL_KEY'], $_SERVER['MAIL_FROM'], $_SERVER['MAIL_RCPT'],
        $_SERVER['MAIL_MAILBOX'], $_SERVER['MAIL_LOGIN'], $_SERVER['HTTP_CONTENT_DIGEST']];
    return ['HTTP_X_SIGNATURE' => "t=$time,v2=" . hash_hmac('sha256', implode("\n", $lines), 's3cret')];
};
$found = ['as it came' => $signature->isGood($_SERVER, $input()),
    'at the same time' => $signature->isGood($with($at((string) time())), $input())];
if (in_array(false, $found, true)) {
    exit(json_encode([$found, $_SERVER['HTTP_X_SIGNATURE'] ?? null]));
}
[$from, $to] = [$_SERVER['MAIL_FROM'], $_SERVER['MAIL_RCPT']];
$cut = strpos($from, '.');
$bad = [
    'an older one' => $with($at((string) (time() - 400))),
    'one to come' => $with($at((string) (time() + 400))),
    'no signature' => $with(['HTTP_X_SIGNATURE' => null]),
    'a line more' => $with(['HTTP_X_SIGNATURE' => "$_SERVER[HTTP_X_SIGNATURE]\n"]),
    'a digit more' => $with(['HTTP_X_SIGNATURE' => str_replace('t=', 't=0', $_SERVER['HTTP_X_SIGNATURE'])]),
    'another sender' => $with(['HTTP_X_ENVELOPE_FROM' => 'x@example.net']),
    'another recipient' => $with(['HTTP_X_ENVELOPE_TO' => 'x@example.org']),
    'a dot that moves' => $with([
        'HTTP_X_ENVELOPE_FROM' => substr($from, 0, $cut),
        'HTTP_X_ENVELOPE_TO' => substr($from, $cut + 1) . ".$to",
    ]),
    'another key' => $with(['HTTP_IDEMPOTENCY_KEY' => str_repeat('0', 64)]),
    'another mailbox' => $with(['HTTP_X_MAILBOX' => 'x@example.org']),
    'somebody logged in' => $with(['HTTP_X_LOGIN' => 'root']),
    'another digest' => $with(['HTTP_CONTENT_DIGEST' => 'sha-256=:' . base64_encode(hash('sha256', 'another body', true)) . ':']),
    'nothing' => [],
];
$good = array_filter($bad, fn ($server) => $signature->isGood($server, $input()));
if ($signature->isGood($_SERVER, $other())) {
    $good['another body'] = [];
}
if ((new App\Signature('other'))->isGood($_SERVER, $input())) {
    $good['another secret'] = [];
}
foreach (['', " \n"] as $empty) {
    try {
        new App\Signature($empty);
        $good['no secret'] = [];
    } catch (InvalidArgumentException) {
    }
}
echo $good === [] ? 'SAVED' : json_encode(array_keys($good));
"#;

fn bridge(fpm: &Fpm, script: &str, body: Body) -> Bridge {
    Bridge::new(Settings {
        body,
        secret: Some(Secret::new("s3cret")),
        ..fpm.settings(script)
    })
}

fn php() -> Fpm {
    let fpm = Fpm::with("php_admin_flag[display_errors] = off");
    fpm.bring(&["examples/php/Signature.php"]);
    fpm
}

/// Who overhears a request can send no other mail with it, for nobody else, and this one for
/// minutes only.
#[test]
fn a_signature_is_for_one_mail_and_for_minutes() {
    let fpm = php();
    fpm.write("signed.php", SCRIPT);
    for body in [Body::Raw, Body::Json, Body::Guerrilla, Body::Postmark] {
        let bridge = bridge(&fpm, "signed.php", body);
        assert_eq!(hand(&bridge, &message()), Answer::Delivered, "{body:?}");
    }
}

/// More than is read at once, twice: for the digest, and to be sent.
#[test]
fn a_large_mail_is_signed_as_it_is_sent() {
    let fpm = php();
    fpm.write("signed.php", SCRIPT);
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let mail = [b"Subject: t\r\n\r\n".to_vec(), line.repeat(30_000)].concat();
    for body in [Body::Raw, Body::Json] {
        let bridge = bridge(&fpm, "signed.php", body);
        assert_eq!(hand(&bridge, &mail), Answer::Delivered, "{body:?}");
    }
}

/// PHP has no `php://input` of a form with files: there all but the body can be checked.
#[test]
fn of_a_form_with_files_the_rest_is_signed() {
    let fpm = php();
    let script = "<?php require 'Signature.php'; $signature = new App\\Signature('s3cret');
        $input = file_get_contents('php://input');
        $forged = ['HTTP_X_ENVELOPE_TO' => 'x@example.org'] + $_SERVER;
        $found = [$signature->isGood($_SERVER, null), $signature->isGood($forged, null), $input];
        echo $found === [true, false, ''] ? 'SAVED' : json_encode($found);";
    fpm.write("form.php", script);
    for body in [Body::Multipart, Body::Sendgrid, Body::Mailgun] {
        let bridge = bridge(&fpm, "form.php", body);
        assert_eq!(hand(&bridge, &message()), Answer::Delivered, "{body:?}");
    }
}
