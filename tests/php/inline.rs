//! A receiver whose clients wait for PHP: what PHP takes is stored, and nothing else.

use crate::client::mail_data;
use crate::fpm::Fpm;
use crate::house::{House, eventually};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

fn house(fpm: &Fpm, script: &str) -> House {
    House::new(&format!(
        "save: HeadersParser|Hasher|Header|MailDir|FastCGI\nvalidate: MailDir|FastCGI\n\
         limits: {{connections_per_ip: 1000}}\nfastcgi:\n  address: unix:{}\n  script: {}\n  \
         delivery: inline\n  timeout: 60s\n  validate: {{script: {}}}\n",
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
