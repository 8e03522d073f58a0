//! PHP goes away and comes back while mail is streaming in.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::fpm::Fpm;
use crate::house::{House, eventually, eventually_within};
use crate::process::configure;
use crate::queued::{fpm, notes, queue, waiting, yaml};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const CLIENTS: usize = 3;
const OUTAGES: usize = 3;

/// What clients have heard.
#[derive(Debug, Default)]
struct Tally {
    taken: AtomicUsize,
    deferred: AtomicUsize,
    is_over: AtomicBool,
}

/// Ends the clients, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Tally {
    fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    /// Sends mail, none of which is like another, until it is over; what is deferred is sent again.
    fn send(&self, house: &House, client: usize) {
        let mut session = house.client();
        for number in 0.. {
            let mail = format!("Subject: quick\r\n\r\n{client} {number}\r\n");
            loop {
                let reply = session.deliver(SENDER, &[BOB], mail.as_bytes());
                if reply.starts_with("250 ") {
                    break;
                }
                assert!(reply.starts_with("451 4.3.0 "), "{reply}");
                self.deferred.fetch_add(1, Ordering::SeqCst);
                // Too many refusals in a row would end it.
                session = house.client();
            }
            self.taken.fetch_add(1, Ordering::SeqCst);
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Stops PHP while mail comes in, and starts it again, a few times. It stays away until this has
    /// gone on counting.
    fn interrupt(&self, fpm: &mut Fpm, counter: &AtomicUsize) {
        let _over = Over(&self.is_over);
        let noted = |fpm: &Fpm| fs::read_dir(fpm.path("notes")).map_or(0, Iterator::count);
        for _ in 0..OUTAGES {
            let before = noted(fpm);
            eventually("PHP gets mail", || noted(fpm) > before + 5);
            fpm.stop();
            let before = Self::count(counter);
            eventually("clients go on", || Self::count(counter) > before + 5);
            fpm.run();
        }
    }
}

/// Each mail that was taken is with PHP in the end, under one key, and in the Maildir once; nobody
/// was told that it is refused.
fn is_with_php_once(fpm: &Fpm, house: &House, taken: usize) {
    let notes = notes(fpm);
    let contents: BTreeSet<_> = notes
        .values()
        .map(|lines| {
            let contents = lines.iter().map(|line| line.split(' ').nth(1));
            let contents: BTreeSet<_> = contents.collect();
            assert_eq!(contents.len(), 1, "one key is one mail: {lines:?}");
            contents
        })
        .collect();
    assert_eq!((notes.len(), contents.len()), (taken, taken));
    assert_eq!(house.folder.files("example.org/bob/new").len(), taken);
    assert_eq!(house.folder.leftovers(), Vec::<String>::new());
}

/// A receiver whose mail PHP finds as it was sent: the same mail has the same octets.
fn house(fpm: &Fpm, keys: &str) -> House {
    let yaml = yaml(fpm, "notes.php", keys).replace("Header|", "");
    let house = House::new(&yaml);
    configure(&house.folder, &yaml);
    house
}

#[test]
fn clients_that_wait_for_php_come_again() {
    let mut fpm = fpm();
    let house = house(&fpm, ", delivery: inline");
    let tally = Tally::default();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (tally, house) = (&tally, &house);
            scope.spawn(move || tally.send(house, client));
        }
        tally.interrupt(&mut fpm, &tally.deferred);
    });
    is_with_php_once(&fpm, &house, Tally::count(&tally.taken));
}

#[test]
fn clients_that_do_not_wait_notice_nothing() {
    let mut fpm = fpm();
    let house = house(&fpm, "");
    let tally = Tally::default();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (tally, house) = (&tally, &house);
            scope.spawn(move || tally.send(house, client));
        }
        tally.interrupt(&mut fpm, &tally.taken);
    });
    assert_eq!(Tally::count(&tally.deferred), 0);
    eventually_within(Duration::from_mins(5), "PHP has all of it", || {
        queue(&house.folder, &["retry", "--all"]);
        waiting(&house.folder) == 0
    });
    is_with_php_once(&fpm, &house, Tally::count(&tally.taken));
}
