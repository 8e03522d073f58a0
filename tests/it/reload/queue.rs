//! Queues for applications, and PHP.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use maiasaura::spool::{Answer, Consumer, Letter, Pending};

use crate::client::PATIENCE;
use crate::house::House;

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
