//! Processors that somebody adds: their sections, and what they do at the start and at the end.

mod slow;

use std::sync::{Arc, Mutex};

use maiasaura::Daemon;
use maiasaura::config::{Config, Environment};
use maiasaura::failure::Failure;
use maiasaura::processor::{Delivery, Pending, Processor, Staged};

use crate::client::Stream;
use crate::house::{Folder, House, configuration, eventually};
use crate::process::{Program, command, configure};

/// What was done, in order.
type Deeds = Arc<Mutex<Vec<String>>>;

/// Notes what is asked of it.
struct Noting {
    name: String,
    fault: Option<String>,
    deeds: Deeds,
}

impl Noting {
    fn note(&self, deed: &str) {
        let mut deeds = self.deeds.lock().expect("nobody panics with it");
        deeds.push(format!("{} {deed}", self.name));
    }
}

impl Processor for Noting {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self) -> Pending<'_, Result<(), String>> {
        self.note("start");
        Box::pin(async {
            match &self.fault {
                Some(fault) => {
                    assert_ne!(fault, "panic");
                    Err(fault.clone())
                }
                None => Ok(()),
            }
        })
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        self.note("stage");
        Box::pin(async { Ok(Staged::Done) })
    }

    fn shutdown(&self) -> Pending<'_, ()> {
        self.note("shutdown");
        Box::pin(async {})
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Settings {
    fault: Option<String>,
    is_impossible: bool,
    is_bad_luck: bool,
}

/// Adds `One` and `Two`.
fn furnished(daemon: Daemon, deeds: &Deeds) -> Daemon {
    ["One", "Two"].into_iter().fold(daemon, |daemon, name| {
        let deeds = Arc::clone(deeds);
        daemon.processor_with(name, move |settings: Settings| {
            if settings.is_impossible {
                return Err("is_impossible is true; write false".to_owned());
            }
            assert!(!settings.is_bad_luck);
            let (name, deeds) = (name.to_owned(), Arc::clone(&deeds));
            let fault = settings.fault;
            Ok(Arc::new(Noting { name, fault, deeds }))
        })
    })
}

fn noted(deeds: &Deeds) -> Vec<String> {
    deeds.lock().expect("nobody panics with it").clone()
}

#[test]
fn each_is_started_before_the_first_message_and_shut_down_after_the_last() {
    let deeds = Deeds::default();
    let mut house = House::with(
        "validate: [MailDir, Two]\nsave: One|Two|MailDir\nprocessors: {two: {}}",
        |daemon| furnished(daemon, &deeds),
    );
    assert_eq!(noted(&deeds), ["Two start", "One start"]);
    let reply =
        house
            .client()
            .deliver("s@example.net", &["bob@example.org"], b"Subject: t\r\n\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    house.close();
    assert_eq!(noted(&deeds)[2..4], ["One stage", "Two stage"]);
    let mut shut_down = noted(&deeds).split_off(4);
    shut_down.sort();
    assert_eq!(shut_down, ["One shutdown", "Two shutdown"]);
}

/// Why a daemon with these processors does not start.
fn complaint(yaml: &str, deeds: &Deeds) -> String {
    let folder = Folder::new();
    let environment: Environment = folder.variables().into_iter().collect();
    let config = Config::parse(&configuration(yaml), "m.yaml", &environment);
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    match furnished(Daemon::new(config), deeds).start() {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn who_cannot_start_keeps_the_daemon_from_it() {
    for fault in ["no road to anywhere", "panic"] {
        let deeds = Deeds::default();
        let yaml = format!("save: One|Two|MailDir\nprocessors: {{Two: {{fault: {fault}}}}}");
        let said = complaint(&yaml, &deeds);
        let why = if fault == "panic" {
            "it panicked"
        } else {
            fault
        };
        assert!(
            said.ends_with(&format!("save: Two cannot start: {why}")),
            "{said}"
        );
        assert_eq!(noted(&deeds), ["One start", "Two start", "One shutdown"]);
    }
}

#[test]
fn nobody_is_served_by_a_daemon_that_did_not_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has one");
    drop(taken);
    let yaml = format!(
        "listeners: [{{address: \"{address}\"}}]\nsave: One|MailDir\nprocessors: {{One: {{fault: no}}}}"
    );
    complaint(&yaml, &Deeds::default());
    assert!(Stream::connect(&maiasaura::server::Address::Tcp(address)).is_err());
}

#[test]
fn sections_of_nobody_are_refused() {
    for (yaml, said) in [
        (
            "processors: {Oen: {}}",
            "processors.Oen: there is no processor of this name that has a section here; known are: One, Two",
        ),
        (
            "processors: {MailDir: {}}",
            "there is no processor of this name that has a section here; known are: One, Two",
        ),
        (
            "processors: {One: {}, one: {}}",
            "this is One once more; keep one of them",
        ),
        // It is read whether it is in a chain or not.
        (
            "processors: {One: {falt: x}}",
            "processors.One: unknown key \"falt\"; did you mean \"fault\"? known keys: fault, is_impossible",
        ),
        (
            "save: One|MailDir\nprocessors: {One: {is_impossible: true}}",
            "processors.One: is_impossible is true; write false",
        ),
    ] {
        let found = complaint(yaml, &Deeds::default());
        assert!(found.contains(said), "{found}");
    }
}

/// A constructor that panics is at fault itself, and not the program around it.
#[test]
fn a_panic_in_a_constructor_is_an_error() {
    let bad = "save: One|MailDir\nprocessors: {One: {is_bad_luck: true}}";
    let said = complaint(bad, &Deeds::default());
    let why = "processors.One: the constructor panicked";
    assert!(said.ends_with(why), "{said}");
    let mut house = House::with("", |daemon| {
        furnished(daemon, &Deeds::default()).processor("Plain", || panic!("bad luck"))
    });
    for (yaml, why) in [
        (bad, why),
        (
            "save: Plain|MailDir",
            "save: the constructor of Plain panicked",
        ),
    ] {
        let refused = house.reload(yaml).expect_err("it is refused");
        assert!(refused.ends_with(why), "{refused}");
    }
    let reply = house
        .client()
        .deliver("s@example.net", &["bob@example.org"], b"\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
}

/// The program has none, and says with the line what it makes of a section.
#[test]
fn the_program_itself_has_none() {
    let folder = Folder::new();
    configure(&folder, "processors:\n  Mine:\n    a: b\n");
    let ended = Program::spawn(command(&folder, &["-c", "config.yaml"])).end();
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    let said = "config.yaml:3:5: processors.Mine: there is no processor of this name";
    assert!(ended.complaint().contains(said), "{ended:#?}");
}

/// A constructor may give the same one again: it serves on, and is neither started nor shut down then.
#[test]
fn one_that_stays_over_a_reload_goes_on() {
    let deeds = Deeds::default();
    let mine: Arc<dyn Processor> = Arc::new(Noting {
        name: "Mine".into(),
        fault: None,
        deeds: Arc::clone(&deeds),
    });
    let mut house = House::with("save: Mine|MailDir", |daemon| {
        furnished(daemon, &deeds).processor("Mine", move || Ok(Arc::clone(&mine)))
    });
    let bad = "save: Mine|Two|MailDir\nprocessors: {Two: {fault: no}}";
    house.reload(bad).expect_err("it is refused");
    assert_eq!(noted(&deeds), ["Mine start", "Two start"]);
    house
        .reload("save: Mine|MailDir\nlimits: {errors: 5}")
        .expect("it is sound");
    eventually("the one before has ended", || {
        house.running().generations() == 1
    });
    assert_eq!(noted(&deeds), ["Mine start", "Two start"]);
    house.close();
    assert_eq!(noted(&deeds)[2..], ["Mine shutdown"]);
}

/// What is started for a configuration is shut down when nobody uses that any more; one that cannot
/// start leaves the one before at work.
#[test]
fn a_reload_starts_the_new_ones_and_shuts_the_old_ones_down() {
    let deeds = Deeds::default();
    let folder = Folder::new();
    let read = |yaml: &str| {
        let environment: Environment = folder.variables().into_iter().collect();
        let config = Config::parse(&configuration(yaml), "m.yaml", &environment);
        config.unwrap_or_else(|error| panic!("{error}"))
    };
    let daemon = furnished(Daemon::new(read("save: One|MailDir")), &deeds);
    let running = daemon.start().unwrap_or_else(|error| panic!("{error}"));
    let bad = read("save: One|Two|MailDir\nprocessors: {Two: {fault: no}}");
    let error = running.reload(bad).expect_err("it is refused").to_string();
    assert!(error.contains("Two cannot start: no"), "{error}");
    running
        .reload(read("save: Two|MailDir"))
        .unwrap_or_else(|error| panic!("{error}"));
    eventually("the old one is shut down", || noted(&deeds).len() == 6);
    let (first, rest) = (&noted(&deeds)[..4], &mut noted(&deeds)[4..].to_vec());
    assert_eq!(
        first,
        ["One start", "One start", "Two start", "One shutdown"]
    );
    rest.sort();
    assert_eq!(*rest, ["One shutdown", "Two start"]);
    running.shutdown();
    assert_eq!(noted(&deeds)[6..], ["Two shutdown"]);
}
