//! Who was there before a reload goes on with what it found.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};

use maiasaura::Daemon;
use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use crate::authority::AUTHORITY;
use crate::client::{Client, PATIENCE, mail_data};
use crate::house::{House, eventually};

use super::{BOB, MAIL, SENDER, furnished};

const WITH_MINE: &str = "save: Mine|MailDir";

/// What became of a processor.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Staged(usize),
    Closed(usize),
}

/// A processor that tells which configuration it belongs to, and waits for a word.
struct Mine {
    generation: usize,
    events: Sender<Event>,
    go_on: Arc<Mutex<Receiver<()>>>,
}

impl Processor for Mine {
    fn name(&self) -> &'static str {
        "Mine"
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let _ = self.events.send(Event::Staged(self.generation));
            let go_on = self.go_on.lock().expect("nobody panics with it");
            let _ = go_on.recv_timeout(PATIENCE);
            Ok(Staged::Done)
        })
    }

    fn shutdown(&self) -> Pending<'_, ()> {
        let _ = self.events.send(Event::Closed(self.generation));
        Box::pin(async {})
    }
}

/// A house with such a processor.
struct Watched {
    house: House,
    events: Receiver<Event>,
    go_on: Sender<()>,
    made: Arc<Mutex<Vec<Weak<Mine>>>>,
}

impl Watched {
    fn new() -> Self {
        let ((sender, events), (go_on, waits)) = (channel(), channel());
        let (sender, waits) = (Mutex::new(sender), Arc::new(Mutex::new(waits)));
        let (count, made) = (AtomicUsize::new(0), Arc::<Mutex<Vec<_>>>::default());
        let all = Arc::clone(&made);
        let construct = move || {
            let mine = Arc::new(Mine {
                generation: count.fetch_add(1, Ordering::Relaxed) + 1,
                events: sender.lock().expect("nobody panics with it").clone(),
                go_on: Arc::clone(&waits),
            });
            let mut all = all.lock().expect("nobody panics with it");
            all.push(Arc::downgrade(&mine));
            Ok(mine as Arc<dyn Processor>)
        };
        let furnish = |daemon: Daemon| daemon.processor("Mine", construct);
        Self {
            house: House::with(WITH_MINE, furnish),
            events,
            go_on,
            made,
        }
    }

    #[track_caller]
    fn hears(&self, event: &Event) {
        let heard = self.events.recv_timeout(PATIENCE);
        assert_eq!(heard.as_ref(), Ok(event));
    }

    fn reload(&mut self) {
        self.house.reload(WITH_MINE).expect("it is sound");
    }

    fn deliver(&self, client: &mut Client, generation: usize) {
        client.begin(SENDER, &[BOB]);
        client.send(&mail_data(MAIL));
        self.hears(&Event::Staged(generation));
        self.go_on.send(()).expect("it waits");
        client.hears("250 2.0.0 ");
    }
}

#[test]
fn a_chain_closes_when_its_last_session_ends() {
    let mut watched = Watched::new();
    let (mut first, mut other) = (watched.house.client(), watched.house.client());
    watched.deliver(&mut first, 1);
    watched.reload();
    let mut second = watched.house.client();
    watched.deliver(&mut second, 2);
    watched.deliver(&mut first, 1);
    assert_eq!(watched.house.running().generations(), 2);
    other.wants("QUIT", "221 ");
    watched.deliver(&mut first, 1);
    first.wants("QUIT", "221 ");
    watched.hears(&Event::Closed(1));
    eventually("it is forgotten", || {
        watched.house.running().generations() == 1
    });
    watched.deliver(&mut second, 2);
    watched.house.close();
    watched.hears(&Event::Closed(2));
}

/// Nobody is there: the old one closes at once.
#[test]
fn a_chain_that_nobody_uses_closes_at_once() {
    let mut watched = Watched::new();
    watched.reload();
    watched.hears(&Event::Closed(1));
}

#[test]
fn a_delivery_under_way_ends_on_the_chain_it_began_with() {
    let mut watched = Watched::new();
    let mut client = watched.house.client();
    client.begin(SENDER, &[BOB]);
    client.send(&mail_data(MAIL));
    watched.hears(&Event::Staged(1));
    watched.reload();
    // Not even the end of the client closes it.
    drop(client);
    watched.go_on.send(()).expect("it waits");
    watched.hears(&Event::Closed(1));
    assert_eq!(watched.house.folder.files("example.org/bob/new").len(), 1);
}

#[test]
fn a_session_keeps_its_limits_hosts_and_names() {
    let mut house = House::new("limits: {message_size: 1MB}");
    let mut client = house.client();
    let yaml = "limits: {message_size: 2MB}\nhostname: two.test\nrecipients: {hosts: [two.test]}\nmaildir: {path: '${ROOT}/two/{user}'}";
    house.reload(yaml).expect("it is sound");
    let reply = client.say("EHLO c.test");
    assert!(
        reply.contains("SIZE 1000000") && reply.contains("mx.example.org"),
        "{reply}"
    );
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.folder.mails("example.org/bob").len(), 1);
    client.wants("MAIL FROM:<s@c.test>", "250 ");
    client.wants("RCPT TO:<x@two.test>", "550 ");
    let reply = house.client().deliver(SENDER, &["bob@two.test"], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.folder.mails("two/bob").len(), 1);
}

#[test]
fn an_encrypted_session_goes_on_when_there_is_no_tls_any_more() {
    let tls = "listeners: [{address: '127.0.0.1:0', tls: implicit}]\ntls: {certificate: '${FOLDER}/cert.pem', key: '${FOLDER}/key.pem'}";
    let mut house = House::in_folder(furnished(), tls);
    let mut client = Client::connect(house.address());
    client.handshakes(&AUTHORITY.client());
    client.hears("220 ");
    house.reload("").expect("it is sound");
    client.wants("EHLO c.test", "250-");
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
    house.client().wants("NOOP", "250 ");
    house.reload(tls).expect("it is sound");
    let mut client = Client::connect(house.address());
    client.handshakes(&AUTHORITY.client());
    client.hears("220 ");
}

/// The places of those who are there count for who comes, whichever configuration they found.
#[test]
fn who_is_there_counts() {
    let mut house = House::new("limits: {connections: 3}");
    let (first, second) = (house.client(), house.client());
    house
        .reload("limits: {connections: 2}")
        .expect("it is sound");
    Client::connect(house.address()).hears("421 4.7.0 ");
    drop(first);
    eventually("there is a place", || {
        Client::connect(house.address()).reply().starts_with("220 ")
    });
    drop(second);
}

/// Guesses count, too.
#[test]
fn who_has_guessed_too_often_stays_locked_out() {
    let yaml = |delay: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:0', auth: required}}]\nauth: {{users: '${{FOLDER}}/users', plaintext: local}}\nlimits: {{auth_failures_per_ip: 1}}\ntimeouts: {{auth_delay: {delay}}}"
        )
    };
    let mut house = House::in_folder(furnished(), &yaml("1ms"));
    house.client().wants("AUTH PLAIN AGFsaWNlAHdyb25n", "535 ");
    house.client().wants("AUTH PLAIN AGFsaWNlAHdyb25n", "421 ");
    house.reload(&yaml("2ms")).expect("it is sound");
    house.client().wants("AUTH PLAIN AGFsaWNlAHdyb25n", "421 ");
}

/// Old configurations are dropped, with all that they had.
#[test]
fn a_hundred_reloads_leave_nothing_behind() {
    let mut watched = Watched::new();
    let mut client = watched.house.client();
    for number in 0..100 {
        watched.reload();
        if number % 10 == 0 {
            client = watched.house.client();
        }
        client.wants("NOOP", "250 ");
    }
    drop(client);
    let alive = |made: &Mutex<Vec<Weak<Mine>>>| {
        let made = made.lock().expect("nobody panics with it");
        assert_eq!(made.len(), 101);
        made.iter().filter(|mine| mine.strong_count() > 0).count()
    };
    eventually("all but the last are gone", || alive(&watched.made) == 1);
    eventually("their chains are closed", || {
        watched.house.running().generations() == 1
    });
}
