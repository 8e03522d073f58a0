//! A receiver whose clients wait for PHP: what PHP takes is stored, and nothing else.

use crate::client::mail_data;
use crate::fpm::Fpm;
use crate::house::{House, eventually};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

fn house(fpm: &Fpm, script: &str) -> House {
    house_with(fpm, script, "timeout: 60s")
}

/// One with these keys more about PHP.
fn house_with(fpm: &Fpm, script: &str, keys: &str) -> House {
    House::new(&format!(
        "save: HeadersParser|Hasher|Header|MailDir|FastCGI\nvalidate: MailDir|FastCGI\n\
         limits: {{connections_per_ip: 1000}}\nfastcgi:\n  address: unix:{}\n  script: {}\n  \
         delivery: inline\n  {keys}\n  validate: {{script: {}}}\n",
        fpm.path("php.sock").display(),
        fpm.path(script).display(),
        fpm.path("validate.php").display(),
    ))
}

#[test]
fn php_decides() {
    let fpm = Fpm::start();
    let house = house(&fpm, "decides.php");
    let mut client = house.client();
    for (subject, reply) in [
        ("take", "250 2.0.0 "),
        ("refuse", "550 5.7.1 "),
        ("spam", "550 5.7.9 No spam"),
        ("break", "451 4.3.0 "),
        ("crash", "451 4.3.0 "),
        ("take", "250 2.0.0 "),
    ] {
        let before = house.folder.mail_count();
        let mail = format!("Subject: {subject}\r\n\r\nbody\r\n");
        let heard = client.deliver(SENDER, &[BOB], mail.as_bytes());
        assert!(heard.starts_with(reply), "{subject}: {heard}");
        let taken = usize::from(reply.starts_with("250"));
        assert_eq!(house.folder.mail_count(), before + taken, "{subject}");
        assert_eq!(house.folder.leftovers(), Vec::<String>::new(), "{subject}");
    }
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("RCPT TO:<nosuch@example.org>", "550 5.1.1 ");
    client.wants("RCPT TO:<gone@example.org>", "550 5.2.1 Gone fishing");
}

#[test]
fn while_php_is_away_clients_come_again() {
    let mut fpm = Fpm::start();
    let house = house(&fpm, "saved.php");
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    fpm.stop();
    // Bob is known from before.
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let mut client = house.client();
    client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
    client.wants("RCPT TO:<alice@example.org>", "451 4.3.0 ");
    assert_eq!(house.folder.mail_count(), 1);
    assert_eq!(house.folder.leftovers(), Vec::<String>::new());
    fpm.run();
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

/// Each of them is answered in time, all of them together are not.
#[test]
fn many_recipients_have_the_time_of_one() {
    let fpm = Fpm::start();
    fpm.write("slow.php", "<?php usleep(600000); echo 'SAVED';");
    fpm.write("validate.php", "<?php echo 'PASS';");
    let house = house_with(&fpm, "slow.php", "timeout: 1s");
    let all = [BOB, "alice@example.org", "carol@example.org"];
    let reply = house.client().deliver(SENDER, &all, MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 0);
    assert_eq!(house.folder.leftovers(), Vec::<String>::new());
}

/// What PHP says of one recipient in its own words depends on who asks, and is for nobody else; nor
/// is what it does not want to be stored.
#[test]
fn answers_that_depend_on_the_sender_are_for_that_sender() {
    let fpm = Fpm::start();
    fpm.write(
        "validate.php",
        "<?php
        if ($_GET['rcpt_to'] === 'list@example.org') header('Cache-Control: no-store');
        if ($_SERVER['MAIL_FROM'] !== 'blocked@example.net') exit('PASS');
        if ($_GET['rcpt_to'] === 'alice@example.org') exit(http_response_code(403));
        header('X-SMTP-Reply: 550 5.7.1 Not from you');",
    );
    let house = house(&fpm, "saved.php");
    let asks = |sender: &str, recipient: &str, wanted: &str| {
        let mut client = house.client();
        client.wants(&format!("MAIL FROM:<{sender}>"), "250 ");
        client.wants(&format!("RCPT TO:<{recipient}>"), wanted);
    };
    for recipient in [BOB, "alice@example.org", "list@example.org"] {
        asks("blocked@example.net", recipient, "550 5.7.1 ");
        asks("friend@example.net", recipient, "250 ");
    }
    asks("blocked@example.net", "list@example.org", "550 5.7.1 ");
    asks("friend@example.net", "list@example.org", "250 ");
}

/// A session of PHP says `no-store`, unless it is told not to.
#[test]
fn a_script_with_a_session_is_asked_each_time() {
    let fpm = Fpm::start();
    fpm.make("sessions");
    fpm.write(
        "validate.php",
        "<?php
        if (str_starts_with($_GET['rcpt_to'], 'quiet')) session_cache_limiter('');
        session_save_path(__DIR__ . '/sessions');
        session_start();
        if (file_exists(__DIR__ . '/closed')) exit(http_response_code(404));
        echo 'PASS';",
    );
    let house = house(&fpm, "saved.php");
    let asks = |recipient: &str, wanted: &str| {
        let mut client = house.client();
        client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
        client.wants(&format!("RCPT TO:<{recipient}@example.org>"), wanted);
    };
    asks("usual", "250 ");
    asks("quiet", "250 ");
    fpm.write("closed", "");
    asks("usual", "550 5.1.1 ");
    asks("quiet", "250 ");
}

/// go-guerrilla takes every word but PASSED for a refusal, and so does a script that was written for
/// it. Only such words are believed as say nothing else.
#[test]
fn a_script_of_go_guerrilla_refuses_in_its_own_words() {
    let fpm = Fpm::start();
    fpm.write(
        "validate.php",
        "<?php
        switch (strstr($_GET['rcpt_to'], '@', true)) {
            case 'bob': exit('PASSED');
            case 'empty': exit;
            case 'warning': echo $nothing; exit('NOT FOUND');
            case 'fatal': nothing();
            case 'database': exit('Could not connect: 2002');
            case 'socket': exit('No such file or directory');
            case 'page': exit('<html>NOT FOUND');
            case 'log': error_log('x'); exit('NOT FOUND');
            case 'down': http_response_code(500); exit('NOT FOUND');
        }
        echo 'No such user: ', $_GET['rcpt_to'];",
    );
    for (body, unknown) in [("guerrilla", "550 5.1.1 "), ("raw", "451 4.3.0 ")] {
        let house = house_with(&fpm, "saved.php", &format!("body: {body}"));
        let mut client = house.client();
        client.wants(&format!("MAIL FROM:<{SENDER}>"), "250 ");
        client.wants("RCPT TO:<bob@example.org>", "250 ");
        client.wants("RCPT TO:<nosuch@example.org>", unknown);
        client.wants("RCPT TO:<Nosuch+detail@example.org>", unknown);
        for fault in [
            "empty", "warning", "fatal", "database", "socket", "page", "log", "down",
        ] {
            let heard = client.say(&format!("RCPT TO:<{fault}@example.org>"));
            assert!(heard.starts_with("451 4.3.0 "), "{body}, {fault}: {heard}");
        }
    }
}

/// Two workers, forty clients.
#[test]
fn many_wait_their_turn() {
    let fpm = Fpm::start();
    let house = house(&fpm, "saved.php");
    let mut clients: Vec<_> = (0..40).map(|_| house.client()).collect();
    for client in &mut clients {
        client.begin(SENDER, &[BOB]);
        client.send(&mail_data(MAIL));
    }
    for client in &mut clients {
        client.hears("250 2.0.0 ");
    }
    eventually("all are there", || house.folder.mail_count() == 40);
}
