use std::time::SystemTime;

use super::*;
use crate::envelope::{Client, Envelope, Transmission};
use crate::processor::Pending;
use crate::smtp::address::{ForwardPath, ReversePath};

/// What a [`Probe`] is to do wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Stage,
    Commit,
    PanicAtStage,
    PanicAtCommit,
}

/// Writes down what is asked of it.
struct Probe {
    name: &'static str,
    fault: Fault,
    log: Arc<Mutex<Vec<String>>>,
}

impl Probe {
    fn note(&self, what: &str) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} {what}", self.name));
    }
}

impl Processor for Probe {
    fn name(&self) -> &str {
        self.name
    }

    fn stores(&self) -> bool {
        true
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            self.note("stages");
            match self.fault {
                Fault::Stage => Err(Failure::new(reply::STORAGE_FULL, "no room")),
                Fault::PanicAtStage => panic!("on purpose"),
                fault => {
                    let probe = Self {
                        name: self.name,
                        fault,
                        log: Arc::clone(&self.log),
                    };
                    Ok(Staged::Until(Box::new(probe)))
                }
            }
        })
    }
}

impl Commit for Probe {
    fn commit(&mut self) -> Pending<'_, Fate> {
        Box::pin(async move {
            self.note("commits");
            match self.fault {
                Fault::Commit => Err(Failure::from(reply::LOCAL_FAULT)),
                Fault::PanicAtCommit => panic!("on purpose"),
                _ => Ok(()),
            }
        })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async move { self.note("aborts") })
    }
}

fn mail(recipients: &[&str]) -> Arc<Mail> {
    let recipient = |address: &&str| Recipient {
        forward_path: ForwardPath::parse(&format!("<{address}>")).unwrap().0,
        destinations: Vec::new(),
    };
    let envelope = Envelope {
        id: "id".into(),
        received: SystemTime::now(),
        host: "mx".into(),
        client: Client::default(),
        transmission: Transmission::Lmtp,
        reverse_path: ReversePath::Null,
        recipients: recipients.iter().map(recipient).collect(),
        binary: false,
    };
    Arc::new(Mail::new(envelope, Vec::new()))
}

/// One delivery at a time.
fn disks() -> Arc<Disks> {
    Arc::new(Disks::new(&[], 1, 0))
}

fn run(chain: &Chain, mail: Arc<Mail>) -> Fate {
    smol::block_on(async {
        let turn = chain.turn(&mail.envelope.recipients).await;
        chain.deliver(mail, turn).await
    })
}

/// The fate of a message in the chain `A|B`, and what its processors were asked.
fn deliver(first: Fault, second: Fault) -> (Option<u16>, String) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut registry = Registry::default();
    for (name, fault) in [("A", first), ("B", second)] {
        let log = Arc::clone(&log);
        registry.add(name, move || {
            Ok(Arc::new(Probe {
                name,
                fault,
                log: Arc::clone(&log),
            }))
        });
    }
    let chain = Chain::new(&registry, &[], &["a".into(), " B ".into()], disks()).unwrap();
    let fate = run(&chain, mail(&["bob@x.test"]));
    let told = log.lock().unwrap().join(", ");
    (fate.err().map(|failure| failure.reply.code()), told)
}

#[test]
fn all_stage_before_one_commits() {
    let story = "A stages, B stages, A commits, B commits";
    assert_eq!(deliver(Fault::None, Fault::None), (None, story.into()));
}

#[test]
fn any_fault_undoes_all() {
    for (first, second, code, story) in [
        (Fault::Stage, Fault::None, 452, "A stages"),
        (
            Fault::None,
            Fault::Stage,
            452,
            "A stages, B stages, A aborts",
        ),
        (
            Fault::None,
            Fault::PanicAtStage,
            451,
            "A stages, B stages, A aborts",
        ),
        (
            Fault::Commit,
            Fault::None,
            451,
            "A stages, B stages, A commits, B aborts, A aborts",
        ),
        (
            Fault::None,
            Fault::PanicAtCommit,
            451,
            "A stages, B stages, A commits, B commits, B aborts, A aborts",
        ),
    ] {
        assert_eq!(deliver(first, second), (Some(code), story.into()));
    }
}

/// Panics at its first message.
struct Once(Arc<Mutex<u32>>);
impl Processor for Once {
    fn name(&self) -> &'static str {
        "Once"
    }
    fn stores(&self) -> bool {
        true
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let mut count = self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *count += 1;
            assert_ne!(*count, 1, "on purpose");
            Ok(Staged::Done)
        })
    }
}

#[test]
fn a_panic_leaves_the_chain_working() {
    let mut registry = Registry::default();
    let count = Arc::new(Mutex::new(0));
    registry.add("Once", move || Ok(Arc::new(Once(Arc::clone(&count)))));
    let chain = Chain::new(&registry, &[], &["Once".into()], disks()).unwrap();
    let failure = run(&chain, mail(&["bob@x.test"])).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "451 4.3.0 Temporary fault, try again later (Once panicked)"
    );
    assert_eq!(run(&chain, mail(&["bob@x.test"])), Ok(()));
}

#[test]
fn names_are_looked_up() {
    let mut registry = Registry::default();
    registry.add("MailDir", || Err("maildir.path is missing".into()));
    registry.add("Header", || Err("never asked".into()));
    let error = |validate: &str, save: &str| {
        let names = |text: &str| {
            text.split_terminator('|')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        Chain::new(&registry, &names(validate), &names(save), disks())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error("", "MailDri"),
        "save: there is no processor \"MailDri\"; did you mean \"MailDir\"? There are Header, MailDir"
    );
    assert_eq!(
        error("Redis", ""),
        "validate: there is no processor \"Redis\"; there are Header, MailDir"
    );
    assert_eq!(error("maildir", ""), "validate: maildir.path is missing");
}

/// Takes mail for everybody but `full`.
struct Picky(Arc<Mutex<Vec<usize>>>);

impl Processor for Picky {
    fn name(&self) -> &'static str {
        "Picky"
    }

    fn stores(&self) -> bool {
        true
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async move {
            let recipients = delivery.recipients();
            self.0.lock().unwrap().push(recipients.len());
            match recipients[0].forward_path.to_string().as_str() {
                "full@x.test" => Err(reply::MAILBOX_FULL.into()),
                _ => Ok(Staged::Done),
            }
        })
    }
}

/// A chain that takes what Picky takes, mail for these recipients, and how many Picky was shown.
fn picky(names: &[&str]) -> (Chain, Arc<Mail>, Arc<Mutex<Vec<usize>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut registry = Registry::default();
    let shown = Arc::clone(&seen);
    registry.add("Picky", move || Ok(Arc::new(Picky(Arc::clone(&shown)))));
    let chain = Chain::new(&registry, &[], &["Picky".into()], disks()).unwrap();
    let mut mail = mail(names);
    let recipients = &mut Arc::get_mut(&mut mail).unwrap().envelope.recipients;
    for (recipient, name) in recipients.iter_mut().zip(names) {
        recipient.destinations.push(destination(name));
    }
    (chain, mail, seen)
}

fn deliver_each(chain: &Chain, mail: Arc<Mail>, known: &Known) -> Vec<Fate> {
    smol::block_on(async {
        let turn = chain.turn(&mail.envelope.recipients).await;
        chain.deliver_each(mail, turn, known).await
    })
}

#[test]
fn each_recipient_has_a_fate_and_equal_places_share_one() {
    let names = ["bob@x.test", "full@x.test", "alice@x.test", "bob@x.test"];
    let (chain, mail, seen) = picky(&names);
    let known = Known::default();
    let fates = deliver_each(&chain, mail, &known);
    let full = Err(Failure::from(reply::MAILBOX_FULL));
    assert_eq!(fates, [Ok(()), full, Ok(()), Ok(())]);
    assert_eq!(known.close(4, &Failure::from(reply::LOCAL_FAULT)), fates);
    assert_eq!(*seen.lock().unwrap(), [1, 1, 1]);
}

/// Who was told 451 will try again: a delivery that had not begun by then would come twice.
#[test]
fn what_had_not_begun_when_the_client_was_told_does_not_begin() {
    let (chain, mail, seen) = picky(&["bob@x.test", "alice@x.test"]);
    let known = Known::default();
    let told = known.close(2, &Failure::from(reply::LOCAL_FAULT));
    assert!(told.iter().all(Fate::is_err));
    let fates = deliver_each(&chain, mail, &known);
    assert!(fates.iter().all(Fate::is_err));
    assert!(seen.lock().unwrap().is_empty());
}

fn destination(address: &str) -> crate::envelope::Destination {
    crate::envelope::Destination {
        mailbox: crate::smtp::address::Mailbox::parse(address).unwrap(),
        location: Location {
            root: std::path::Path::new("/nowhere").into(),
            components: vec![address.into()],
            folder: None,
            owner: None,
            create: true,
            quota: None,
        },
        captures: BTreeMap::new(),
        otherwise: None,
    }
}

#[test]
fn a_chain_that_would_lose_mail_is_refused() {
    let mut registry = Registry::default();
    registry.add("Debugger", || {
        Ok(Arc::new(crate::processor::Debugger::default()))
    });
    registry.add("Picky", || Ok(Arc::new(Picky(Arc::default()))));
    let error = |save: &[&str]| {
        let save: Vec<String> = save.iter().map(ToString::to_string).collect();
        let chain = Chain::new(&registry, &[], &save, disks());
        chain.err().map(|error| error.to_string())
    };
    assert_eq!(error(&["Debugger", "Picky"]), None);
    let nowhere = "save: none of these processors stores mail: add MailDir";
    assert_eq!(error(&["Debugger"]).as_deref(), Some(nowhere));
    let twice = "save: \"picky\" is named twice";
    assert_eq!(error(&["Picky", "picky"]).as_deref(), Some(twice));
}
