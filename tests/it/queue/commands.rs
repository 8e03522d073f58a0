//! `maiasaura queue`, beside a running server and without one.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use maiasaura::spool::{Answer, Consumer, Letter, Pending};

use super::{ANN, BOB, Office, deliver, usual};
use crate::client::PATIENCE;
use crate::house::{Folder, House, eventually};
use crate::process::{configure, run};

#[test]
fn the_commands_work_beside_a_running_server() {
    let office = Office::new("", false);
    let mut client = office.house.client();
    deliver(&mut client, &[BOB]);
    deliver(&mut client, &[ANN]);
    let ids = [office.next(), office.next()].map(|letter| letter.slip.id.clone());
    eventually("they are noted", || {
        office.house.folder.files(".spool/app/state").len() == 2
    });
    let list = office.says(&["list"]);
    assert!(
        list.contains("2 waiting, 0 dead") && list.contains("(it is down)"),
        "{list}"
    );
    assert!(list.contains(&format!("{}  app  in ", ids[0])), "{list}");
    let json = office.says(&["list", "--json"]);
    assert_eq!(json.lines().count(), 2);
    assert!(
        json.starts_with("{\"id\":\"") && json.contains("\"status\":\"waiting\""),
        "{json}"
    );
    let shown = office.says(&["show", &ids[0]]);
    assert!(
        shown.contains("attempts     1\n") && shown.contains(&ids[0]),
        "{shown}"
    );
    assert!(
        office
            .says(&["show", &ids[0], "--json"])
            .contains("\"key\":\"")
    );
    // Only dead letters are replayed.
    let ended = office.queue(&["replay", &ids[0]]);
    assert_eq!(ended.code, Some(66), "{ended:#?}");
    let remedy = format!("`maiasaura queue retry {}`", ids[0]);
    assert!(ended.complaint().contains(&remedy), "{ended:#?}");
    // It is tried now, and in vain.
    office.says(&["retry", &ids[0]]);
    assert_eq!(office.next().slip.id, ids[0]);
    assert!(office.says(&["drop", &ids[0]]).contains("1 removed"));
    office.app.is_up.store(true, Ordering::SeqCst);
    assert!(
        office
            .says(&["retry", "--all"])
            .contains("1 to be tried now")
    );
    assert_eq!(office.next().slip.id, ids[1]);
    eventually("nothing waits", || office.waiting().is_empty());
    assert_eq!(office.says(&["list"]), "0 waiting, 0 dead");
    assert_eq!(office.house.folder.files("example.org/bob/new").len(), 1);
}

#[test]
fn dead_letters_are_replayed() {
    struct Refuses(AtomicBool, Mutex<Sender<String>>);
    impl Consumer for Refuses {
        fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
            let given = self.1.lock().expect("nobody panics with it");
            let _ = given.send(letter.slip.key.clone());
            let answer = if self.0.load(Ordering::SeqCst) {
                let why = "403 Forbidden".into();
                Answer::Never { why }
            } else {
                Answer::Delivered
            };
            Box::pin(async move { answer })
        }
    }
    let (given, receiver) = channel();
    let refuses = Arc::new(Refuses(AtomicBool::new(true), Mutex::new(given)));
    let app = Arc::clone(&refuses) as Arc<dyn Consumer>;
    let house = House::with(&usual(""), |daemon| daemon.consumer("App", app));
    configure(&house.folder, &usual(""));
    deliver(&mut house.client(), &[BOB]);
    let next = || receiver.recv_timeout(PATIENCE).expect("it is given");
    let key = next();
    let dead = || house.folder.files(".spool/dead/new");
    eventually("it is dead", || {
        dead().len() == 1 && house.folder.letters("app").is_empty()
    });
    let text = fs::read_to_string(&dead()[0]).expect("it is there");
    assert!(
        text.starts_with("X-Queue-Reason: 403 Forbidden\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nSubject: t\r\n"), "{text}");
    let queue = |arguments: &[&str]| {
        run(
            &house.folder,
            &[&["-c", "config.yaml", "queue"], arguments].concat(),
            b"",
        )
    };
    let list = queue(&["list"]).stdout;
    assert!(
        list[0].contains("  app  dead, 1 tried  ") && list[0].ends_with("(403 Forbidden)"),
        "{list:?}"
    );
    let id = list[0].split(' ').next().expect("a line has words");
    let ended = queue(&["retry", id]);
    assert_eq!(ended.code, Some(66), "{ended:#?}");
    refuses.0.store(false, Ordering::SeqCst);
    let ended = queue(&["replay"]);
    assert_eq!(
        (ended.code, &ended.stdout[..]),
        (Some(0), &["1 back in the queue".to_owned()][..])
    );
    assert_eq!(next(), key);
    eventually("all is done", || house.folder.letters("app").is_empty());
    assert_eq!(queue(&["list"]).stdout, ["0 waiting, 0 dead"]);
}

#[test]
fn the_commands_work_without_a_server() {
    let folder = Folder::new();
    configure(&folder, "");
    let queue = |arguments: &[&str]| {
        run(
            &folder,
            &[&["-c", "config.yaml", "queue"], arguments].concat(),
            b"",
        )
    };
    // A relative maildir.path may begin elsewhere: nothing is said to be all there is.
    let missing = format!(
        "there is no spool at {}",
        folder.path("maildirs/.spool").display()
    );
    for arguments in [
        &["list"][..],
        &["replay"],
        &["retry", "--all"],
        &["show", "x"],
        &["drop", "x"],
    ] {
        let ended = queue(arguments);
        assert_eq!(ended.code, Some(66), "{arguments:?}: {ended:#?}");
        assert!(
            ended.complaint().contains(&missing),
            "{arguments:?}: {ended:#?}"
        );
    }
    // Nothing is made by looking.
    assert_eq!(folder.tree(), ["config.yaml"]);
    fs::create_dir_all(folder.path("maildirs/.spool")).expect("it can be made");
    for (arguments, code, said) in [
        (&["list"][..], 0, "0 waiting, 0 dead"),
        (&["list", "--json"], 0, ""),
        (&["replay"], 0, "0 back in the queue"),
        (&["retry", "--all"], 0, "0 to be tried now"),
        (&["show", "nobody"], 66, "there is no letter nobody"),
        (&["drop", "nobody"], 66, "there is no letter nobody"),
        (&["retry"], 64, "required"),
        (&["drop"], 64, "required"),
        (&["retry", "x", "--all"], 64, "cannot be used with"),
        (&[], 64, "Usage"),
    ] {
        let ended = queue(arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:#?}");
        let all = [ended.stdout.join("\n"), ended.stderr.join("\n")].concat();
        assert!(all.contains(said), "{arguments:?}: {ended:#?}");
    }
    // Nor is it by looking into an empty one.
    let tree = ["config.yaml", "maildirs", "maildirs/.spool"];
    assert_eq!(folder.tree(), tree);
}
