use std::sync::Mutex;
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
        client: Client::default(),
        transmission: Transmission::Lmtp,
        reverse_path: ReversePath::Null,
        recipients: recipients.iter().map(recipient).collect(),
        binary: false,
    };
    Arc::new(Mail {
        envelope,
        content: Vec::new(),
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
    let chain = Chain::new(&registry, &[], &["a".into(), " B ".into()], 1).unwrap();
    let fate = smol::block_on(chain.deliver(mail(&["bob@x.test"])));
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
    let chain = Chain::new(&registry, &[], &["Once".into()], 1).unwrap();
    let failure = smol::block_on(chain.deliver(mail(&["bob@x.test"]))).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "451 4.3.0 Temporary fault, try again later (Once panicked)"
    );
    assert_eq!(smol::block_on(chain.deliver(mail(&["bob@x.test"]))), Ok(()));
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
        Chain::new(&registry, &names(validate), &names(save), 1)
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
