//! Queues for applications, and PHP.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use maiasaura::health::State;
use maiasaura::spool::{Answer, Consumer, Letter, Pending};

use crate::client::PATIENCE;
use crate::house::{House, eventually};

use super::{BOB, MAIL, SENDER};

/// An application that tells what it got.
struct Mine(Mutex<Sender<String>>);

impl Consumer for Mine {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        let id = letter.slip.id.clone();
        let told = self.0.lock().expect("nobody panics with it").send(id);
        Box::pin(async move {
            match told {
                Ok(()) => Answer::Delivered,
                Err(error) => Answer::Never {
                    why: error.to_string(),
                },
            }
        })
    }
}

fn next(letters: &Receiver<String>) -> String {
    letters.recv_timeout(PATIENCE).expect("it is handed over")
}

/// The worker is another one after each reload that changes its settings, its store or its place.
#[test]
fn letters_are_handed_over_once_whatever_is_changed() {
    let (sender, letters) = channel();
    let consumer = Arc::new(Mine(Mutex::new(sender)));
    let yaml = |more: &str| format!("save: Header|Hasher|MailDir|Mine\n{more}");
    let mut house = House::with(&yaml(""), |daemon| daemon.consumer("Mine", consumer));
    let mut client = house.client();
    let (mut promised, mut handed) = (BTreeSet::new(), BTreeSet::new());
    for more in [
        "",
        "spool: {at_once: 1}",
        "spool: {at_once: 1, timeout: 5s}",
        "spool: {path: '${FOLDER}/spool'}",
        "maildir: {path: '${ROOT}/{host}/{user}', durability: none}",
        "maildir: {path: '${ROOT}/deeper/{host}/{user}'}",
        "save: MailDir #",
        "",
    ] {
        let yaml = yaml(more);
        let yaml = yaml
            .strip_prefix("save: Header|Hasher|MailDir|Mine\nsave")
            .map_or(yaml.clone(), |rest| format!("save{rest}"));
        house.reload(&yaml).expect("it is sound");
        // One from before, and one that finds what is new.
        let is_filled = more != "save: MailDir #";
        for (client, is_filled) in [(&mut client, true), (&mut house.client(), is_filled)] {
            let reply = client.deliver(SENDER, &[BOB], MAIL);
            let id = reply.strip_prefix("250 2.0.0 Ok: queued as ");
            let id = id.unwrap_or_else(|| panic!("{reply}")).to_owned();
            if is_filled {
                promised.insert(id);
                assert!(
                    handed.insert(next(&letters)),
                    "{more}: it was handed over twice"
                );
            }
        }
    }
    house.close();
    assert_eq!(handed, promised);
    assert!(letters.try_recv().is_err(), "one too many");
}

/// An application that is down for a while.
#[derive(Default)]
struct Moody(AtomicBool);

impl Consumer for Moody {
    fn hand(&self, _: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        let is_up = self.0.load(Ordering::Relaxed);
        let later = || Answer::Later {
            after: None,
            why: "it is down".into(),
        };
        Box::pin(async move { if is_up { Answer::Delivered } else { later() } })
    }
}

/// The worker that has written down the trouble is not the one that sees its end.
#[test]
fn trouble_from_before_is_over_when_it_is() {
    let consumer = Arc::new(Moody::default());
    let application = Arc::clone(&consumer);
    let yaml = |at_once| {
        format!("save: Header|Hasher|MailDir|Mine\nspool: {{failures: 1, at_once: {at_once}}}")
    };
    let mut house = House::with(&yaml(1), |daemon| daemon.consumer("Mine", consumer));
    let is_well = |house: &House| {
        let states = house.running().health().states();
        let part = states.into_iter().find(|(part, _)| &**part == "queue mine");
        part.expect("it is on the board").1 == State::Well
    };
    assert!(is_well(&house));
    house.client().deliver(SENDER, &[BOB], MAIL);
    eventually("it is known to be down", || !is_well(&house));
    house.reload(&yaml(2)).expect("it is sound");
    application.0.store(true, Ordering::Relaxed);
    house.client().deliver(SENDER, &[BOB], MAIL);
    eventually("it is known to be up", || is_well(&house));
}
