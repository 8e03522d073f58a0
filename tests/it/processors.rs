//! Processors of somebody else in the chain: slow, broken, and many at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use crate::client::{PATIENCE, mail_data};
use crate::house::{House, eventually};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// A processor that does this with every message.
struct Does<F>(F);

impl<F: Fn(&Delivery) + Send + Sync> Processor for Does<F> {
    fn name(&self) -> &'static str {
        "Mine"
    }

    fn stores(&self) -> bool {
        true
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            (self.0)(delivery);
            Ok(Staged::Done)
        })
    }
}

/// A house where every message passes the processor before it is stored.
fn house(yaml: &str, work: impl Fn(&Delivery) + Send + Sync + 'static) -> House {
    let processor: Arc<dyn Processor> = Arc::new(Does(work));
    let yaml = format!("save: Header|Mine|MailDir\n{yaml}");
    House::with(&yaml, |daemon| {
        daemon.processor("Mine", move || Ok(Arc::clone(&processor)))
    })
}

/// A house where every message waits at a gate; what tells that one has come, and what opens.
fn gated(yaml: &str) -> (House, Receiver<()>, Sender<()>) {
    let (come, comes) = channel();
    let (open, opens) = channel();
    let opens = Mutex::new(opens);
    let house = house(yaml, move |_| {
        let _ = come.send(());
        let _ = opens
            .lock()
            .expect("nobody panics with it")
            .recv_timeout(PATIENCE);
    });
    (house, comes, open)
}

#[test]
fn a_panic_is_a_fault_that_may_pass() {
    let house = house("", |delivery| {
        assert!(
            !delivery.mail.content.head(5).unwrap().starts_with(b"Panic"),
            "as it was asked"
        );
    });
    let mut client = house.client();
    let reply = client.deliver(SENDER, &[BOB], b"Panic: yes\r\n\r\n");
    assert!(
        reply.starts_with("451 4.3.0 ") && !reply.contains("Mine"),
        "{reply}"
    );
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(house.folder.mail_count(), 1);
}

/// A processor that awaits something: a back end, say.
struct Awaits(Sender<()>, Arc<Mutex<Receiver<()>>>);

impl Processor for Awaits {
    fn name(&self) -> &'static str {
        "Mine"
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        let opens = Arc::clone(&self.1);
        Box::pin(async move {
            let _ = self.0.send(());
            smol::unblock(move || {
                opens
                    .lock()
                    .map(|opens| opens.recv_timeout(PATIENCE).is_ok())
                    .ok()
            })
            .await;
            Ok(Staged::Done)
        })
    }
}

/// The client may try again, and the message may arrive all the same.
#[test]
fn a_back_end_that_takes_too_long_is_not_waited_for() {
    let ((come, comes), (open, opens)) = (channel(), channel());
    let processor: Arc<dyn Processor> = Arc::new(Awaits(come, Arc::new(Mutex::new(opens))));
    let yaml = "save: Header|Mine|MailDir\ntimeouts: {delivery: 100ms}";
    let house = House::with(yaml, |daemon| {
        daemon.processor("Mine", move || Ok(Arc::clone(&processor)))
    });
    let mut client = house.client();
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    client.wants("NOOP", "250 ");
    comes.recv_timeout(PATIENCE).expect("it has begun");
    open.send(()).expect("it waits");
    eventually("it arrives", || house.folder.mail_count() == 1);
}

/// What was answered 451 before it had its turn is not delivered afterwards.
#[test]
fn a_delivery_without_a_turn_does_not_begin() {
    let (mut house, comes, open) = gated("limits: {deliveries: 1}\ntimeouts: {delivery: 100ms}");
    let mut first = house.client();
    first.begin(SENDER, &[BOB]);
    first.send(&mail_data(MAIL));
    comes.recv_timeout(PATIENCE).expect("it has begun");
    let reply = house.client().deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    open.send(()).expect("it waits");
    first.hears("250 2.0.0 ");
    house.close();
    assert_eq!(house.folder.mail_count(), 1);
}

#[test]
fn a_delivery_goes_on_without_its_client() {
    let (mut house, comes, open) = gated("");
    let mut client = house.client();
    client.begin(SENDER, &[BOB]);
    client.send(&mail_data(MAIL));
    comes.recv_timeout(PATIENCE).expect("it has begun");
    client.stream().reset();
    drop(client);
    open.send(()).expect("it waits");
    house.close();
    assert_eq!(house.folder.mail_count(), 1);
}

#[test]
fn the_end_waits_for_a_delivery() {
    let (mut house, comes, open) = gated("");
    let mut client = house.client();
    let mut idle = house.client();
    client.begin(SENDER, &[BOB]);
    client.send(&mail_data(MAIL));
    comes.recv_timeout(PATIENCE).expect("it has begun");
    let closing = thread::spawn(move || {
        house.close();
        house
    });
    idle.hears("421 4.3.2 ");
    open.send(()).expect("it waits");
    client.hears("250 2.0.0 ");
    client.hears("421 4.3.2 ");
    let house = closing.join().expect("it ends");
    assert_eq!(house.folder.mail_count(), 1);
}

#[test]
fn only_so_many_deliveries_are_under_way() {
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let (now, most) = (Arc::clone(&counts), Arc::clone(&counts));
    let house = house("limits: {deliveries: 2}", move |_| {
        let count = now.0.fetch_add(1, Ordering::SeqCst) + 1;
        now.1.fetch_max(count, Ordering::SeqCst);
        // Work that takes its time.
        thread::sleep(Duration::from_millis(10));
        now.0.fetch_sub(1, Ordering::SeqCst);
    });
    let mut clients: Vec<_> = (0..10).map(|_| house.client()).collect();
    for client in &mut clients {
        client.begin(SENDER, &[BOB]);
        client.send(&mail_data(MAIL));
    }
    for client in &mut clients {
        client.hears("250 2.0.0 ");
    }
    assert_eq!(most.1.load(Ordering::SeqCst), 2);
    assert_eq!(house.folder.mail_count(), 10);
}
