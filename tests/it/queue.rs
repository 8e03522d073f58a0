//! Mail for applications that get it later: the client hears 250, and the application gets it when
//! it can.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::Daemon;
use maiasaura::failure::Failure;
use maiasaura::processor::{Commit, Delivery, Processor, Staged};
use maiasaura::server::Address;
use maiasaura::smtp::reply;
use maiasaura::spool::{Answer, Consumer, Letter, Pending, Place};
use rustix::process::Signal;

use crate::client::{Client, PATIENCE};
use crate::house::{Folder, House, configuration, eventually, letters};
use crate::process::{Ended, Program, configure, prepare, run};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";
const ANN: &str = "ann@example.org";
const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

/// An application that is up or down, and tells what it was given.
struct App {
    is_up: AtomicBool,
    given: Mutex<Sender<Arc<Letter>>>,
}

impl Consumer for App {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        Box::pin(async move {
            let _ = self
                .given
                .lock()
                .expect("nobody panics with it")
                .send(letter);
            if self.is_up.load(Ordering::SeqCst) {
                return Answer::Delivered;
            }
            Answer::Later {
                after: None,
                why: "it is down".into(),
            }
        })
    }
}

/// A house whose mail goes to an application, too.
struct Office {
    house: House,
    app: Arc<App>,
    given: Receiver<Arc<Letter>>,
}

impl Office {
    fn new(yaml: &str, is_up: bool) -> Self {
        let (given, receiver) = channel();
        let app = Arc::new(App {
            is_up: AtomicBool::new(is_up),
            given: Mutex::new(given),
        });
        let consumer = Arc::clone(&app) as Arc<dyn Consumer>;
        let house = House::with(&usual(yaml), |daemon| daemon.consumer("App", consumer));
        configure(&house.folder, &usual(yaml));
        Self {
            house,
            app,
            given: receiver,
        }
    }

    fn next(&self) -> Arc<Letter> {
        self.given.recv_timeout(PATIENCE).expect("it is given")
    }

    /// The letters that wait for it.
    fn waiting(&self) -> Vec<String> {
        self.house.folder.letters("app")
    }

    /// What the program says.
    fn queue(&self, arguments: &[&str]) -> Ended {
        let arguments = [&["-c", "config.yaml", "queue"], arguments].concat();
        run(&self.house.folder, &arguments, b"")
    }

    /// What the program says when all is well.
    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let ended = self.queue(arguments);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended.stdout.join("\n")
    }
}

fn usual(yaml: &str) -> String {
    if yaml.contains("save:") {
        return yaml.to_owned();
    }
    format!("save: HeadersParser|Hasher|Header|MailDir|App\n{yaml}")
}

fn deliver(client: &mut Client, recipients: &[&str]) {
    let reply = client.deliver(SENDER, recipients, MAIL);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

#[test]
fn an_application_gets_what_is_in_the_maildir() {
    let office = Office::new("", true);
    deliver(&mut office.house.client(), &[BOB]);
    let letter = office.next();
    let slip = &letter.slip;
    assert_eq!(
        (slip.consumer.as_str(), slip.mail_from.as_str()),
        ("app", SENDER)
    );
    assert_eq!(
        (slip.rcpt.as_str(), &slip.mailboxes[..]),
        (BOB, &[BOB.to_owned()][..])
    );
    assert_eq!(
        slip.client.map(|it| it.to_string()).as_deref(),
        Some("127.0.0.1")
    );
    let stored = fs::read(&slip.files[0]).expect("the copy is there");
    let content = letter.content().expect("it can be read");
    assert_eq!(crate::house::crlf(&stored), content);
    assert_eq!(slip.key.len(), 64);
    eventually("it is done", || office.waiting().is_empty());
    // Whoever sends it again sends the same.
    deliver(&mut office.house.client(), &[BOB]);
    assert_eq!(office.next().slip.key, slip.key);
}

#[test]
fn every_recipient_is_a_letter_of_its_own() {
    let office = Office::new("", true);
    deliver(&mut office.house.client(), &[BOB, ANN]);
    let mut letters = [office.next(), office.next()];
    letters.sort_by_key(|letter| letter.slip.id.clone());
    let [bob, ann] = letters.map(|letter| letter.slip.clone());
    assert_eq!((bob.rcpt.as_str(), ann.rcpt.as_str()), (BOB, ANN));
    assert_ne!(bob.key, ann.key);
    assert!(
        bob.id.ends_with("-1") && ann.id.ends_with("-2"),
        "{} {}",
        bob.id,
        ann.id
    );
    let maildir = |user: &str| {
        office
            .house
            .folder
            .path(&format!("maildirs/example.org/{user}"))
    };
    assert!(bob.files[0].starts_with(maildir("bob")) && ann.files[0].starts_with(maildir("ann")));
}

/// Two aliases of one mailbox, and a folder that is not there: all lead to one copy.
#[test]
fn letters_tell_where_the_copy_is() {
    let yaml = "recipients: {hosts: [example.org], aliases: {info: [bob@example.org]}, \
                subaddress: {folder: existing}}";
    let office = Office::new(yaml, true);
    let to = [BOB, "info@example.org", "bob+lists@example.org"];
    deliver(&mut office.house.client(), &to);
    let copy = office.house.folder.mail("example.org/bob").path;
    for _ in to {
        assert_eq!(office.next().slip.files, std::slice::from_ref(&copy));
    }
}

#[test]
fn lmtp_recipients_too() {
    let yaml = "listeners: [{address: \"127.0.0.1:0\", protocol: lmtp}]";
    let office = Office::new(yaml, true);
    let mut client = office.house.client();
    client.begin(SENDER, &[BOB, ANN]);
    client.send(&crate::client::mail_data(MAIL));
    client.hears("250 2.0.0 ");
    client.hears("250 2.0.0 ");
    let mut to = [
        office.next().slip.rcpt.clone(),
        office.next().slip.rcpt.clone(),
    ];
    to.sort();
    assert_eq!(to, [ANN, BOB]);
}

/// The application is down: the client does not notice, and nothing is lost.
#[test]
fn an_application_may_be_down() {
    for durability in ["full", "journal", "none"] {
        let yaml =
            format!("maildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: {durability}}}");
        let office = Office::new(&yaml, false);
        let mut client = office.house.client();
        for _ in 0..3 {
            deliver(&mut client, &[BOB]);
        }
        let keys = [(); 3].map(|()| office.next().slip.key.clone());
        eventually("they are noted", || {
            office.house.folder.files(".spool/app/state").len() == 3
        });
        assert_eq!(office.waiting().len(), 3);
        office.app.is_up.store(true, Ordering::SeqCst);
        office.says(&["retry", "--all"]);
        for _ in 0..3 {
            assert!(keys.contains(&office.next().slip.key));
        }
        eventually("all is done", || office.waiting().is_empty());
        let maildir = || office.house.folder.files("example.org/bob/new").len();
        eventually("the Maildir has them", || maildir() == 3);
    }
}

/// Both or none, whichever fails, and whichever is asked first.
#[test]
fn nothing_is_in_the_maildir_that_is_not_in_the_queue() {
    for save in ["Header|MailDir|App", "Header|App|MailDir"] {
        for obstacle in [".spool", "example.org"] {
            let yaml = format!("save: {save}");
            let office = Office::new(&yaml, true);
            let path = office.house.folder.path("maildirs").join(obstacle);
            let aside = office.house.folder.path("aside");
            let was_there = fs::rename(&path, &aside).is_ok();
            fs::write(&path, "in the way").expect("it can be written");
            let mut client = office.house.client();
            let reply = client.deliver(SENDER, &[BOB], MAIL);
            assert!(reply.starts_with("451 4."), "{save} {obstacle}: {reply}");
            assert_eq!(office.house.folder.mail_count(), 0, "{save} {obstacle}");
            fs::remove_file(&path).expect("it can be removed");
            if was_there {
                fs::rename(&aside, &path).expect("it can be moved");
            }
            deliver(&mut client, &[BOB]);
            office.next();
        }
    }
}

/// A processor whose commit fails.
struct Fails;

impl Processor for Fails {
    fn name(&self) -> &'static str {
        "Fails"
    }

    fn stage<'a>(&'a self, _: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        Box::pin(async { Ok(Staged::Until(Box::new(Self))) })
    }
}

impl Commit for Fails {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async { Err(Failure::from(reply::LOCAL_FAULT)) })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

/// What was committed is taken back when a later processor fails.
#[test]
fn a_commit_that_fails_takes_back_copy_and_letter() {
    for (save, durability) in [
        ("Header|MailDir|App|Fails", "full"),
        ("Header|App|MailDir|Fails", "full"),
        ("Header|MailDir|App|Fails", "journal"),
    ] {
        let (given, _receiver) = channel();
        let app = Arc::new(App {
            is_up: AtomicBool::new(false),
            given: Mutex::new(given),
        });
        let yaml = format!(
            "save: {save}\nmaildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: {durability}}}"
        );
        let mut house = House::with(&yaml, |daemon| {
            let daemon = daemon.processor("Fails", || Ok(Arc::new(Fails)));
            daemon.consumer("App", app)
        });
        let reply = house.client().deliver(SENDER, &[BOB, ANN], MAIL);
        assert!(reply.starts_with("451 4.3.0 "), "{save}: {reply}");
        house.close();
        assert_eq!(house.folder.mail_count(), 0, "{save}, {durability}");
    }
}

#[test]
fn a_spool_may_be_elsewhere() {
    let office = Office::new("spool: {path: \"${FOLDER}/elsewhere\"}", false);
    deliver(&mut office.house.client(), &[BOB]);
    office.next();
    let path = office.house.folder.path("elsewhere");
    assert_eq!(letters(&Place::at(&path, false), "app").len(), 1);
    let mode = fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(!office.house.folder.path("maildirs/.spool").exists());
    assert!(office.says(&["list"]).contains("1 waiting, 0 dead"));
}

/// What is being handed over may end when the server is stopped.
#[test]
fn the_end_waits_for_the_application() {
    struct Slow(Mutex<Sender<()>>, Arc<Mutex<Receiver<()>>>);
    impl Consumer for Slow {
        fn hand(&self, _: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
            let _ = self.0.lock().expect("nobody panics with it").send(());
            let opens = Arc::clone(&self.1);
            let wait = move || {
                opens
                    .lock()
                    .map(|it| it.recv_timeout(PATIENCE).is_ok())
                    .ok()
            };
            Box::pin(async move {
                smol::unblock(wait).await;
                Answer::Delivered
            })
        }
    }
    let ((come, comes), (open, opens)) = (channel(), channel());
    let slow = Arc::new(Slow(Mutex::new(come), Arc::new(Mutex::new(opens))));
    let mut house = House::with(&usual(""), |daemon| daemon.consumer("App", slow));
    deliver(&mut house.client(), &[BOB]);
    comes.recv_timeout(PATIENCE).expect("it has begun");
    let mut idle = house.client();
    let closing = thread::spawn(move || {
        house.close();
        house
    });
    idle.hears("421 4.3.2 ");
    open.send(()).expect("it waits");
    let house = closing.join().expect("it ends");
    assert!(house.folder.letters("app").is_empty());
}

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

/// Where a process of `a_server_of_its_own` says what it is, and puts what it was given.
const OWN_SERVER: &str = "MAIASAURA_TEST_QUEUE";

/// Not a test: a server that another test starts as a process, to kill it.
#[test]
#[ignore = "it is started by another test"]
fn a_server_of_its_own() {
    /// Notes each letter in a folder, before it answers.
    struct Notes(PathBuf);
    impl Consumer for Notes {
        fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
            let slip = &letter.slip;
            fs::write(self.0.join(format!("{}-{}", slip.id, slip.key)), "")
                .expect("it can be noted");
            let is_up = self.0.join("up").exists();
            Box::pin(async move {
                if is_up {
                    return Answer::Delivered;
                }
                // It hangs: when it is killed these are under way.
                std::future::pending().await
            })
        }
    }
    let Ok(folder) = env::var(OWN_SERVER) else {
        return;
    };
    let folder = Path::new(&folder);
    let text = fs::read_to_string(folder.join("config.yaml")).expect("it is there");
    let environment: Environment = env::vars().collect();
    let config = Config::parse(&text, "test", &environment).expect("it is right");
    let notes = Arc::new(Notes(folder.join("notes")));
    let running = Daemon::new(config)
        .consumer("App", notes)
        .start()
        .expect("it starts");
    println!("\n  listening  on {}", running.addresses()[0]);
    loop {
        thread::park();
    }
}

/// Starts that server.
fn own_server(folder: &Folder) -> (Program, Address) {
    let mut command = Command::new(env::current_exe().expect("it is known"));
    command.args([
        "--exact",
        "queue::a_server_of_its_own",
        "--ignored",
        "--nocapture",
    ]);
    let mut command = prepare(folder, command);
    command
        .env(OWN_SERVER, folder.path(""))
        .stdin(Stdio::null());
    let program = Program::spawn(command);
    let line = program.stdout.wait("listening", 1).remove(0);
    let address = line.trim_start_matches("  listening  on ");
    let address = Address::Tcp(address.parse().expect("it is an address"));
    (program, address)
}

/// Mail that was acknowledged before a kill -9 is handed over after it, with the same keys.
#[test]
fn what_waits_outlasts_a_kill() {
    const LETTERS: usize = 30;
    for durability in ["full", "journal"] {
        let folder = Folder::new();
        let maildir =
            format!("maildir: {{path: \"${{ROOT}}/{{host}}/{{user}}\", durability: {durability}}}");
        fs::write(folder.path("config.yaml"), configuration(&usual(&maildir)))
            .expect("it can be written");
        fs::create_dir(folder.path("notes")).expect("it can be made");
        let (program, address) = own_server(&folder);
        let mut client = Client::greeted(&address);
        for _ in 0..LETTERS {
            deliver(&mut client, &[BOB]);
        }
        let notes = || {
            fs::read_dir(folder.path("notes"))
                .expect("it is there")
                .count()
        };
        eventually("some are under way", || notes() == 4);
        program.signal(Signal::KILL);
        program.end();
        let before = notes();
        fs::write(folder.path("notes/up"), "").expect("it can be written");
        let (_program, _) = own_server(&folder);
        eventually("all are handed over", || {
            folder.letters("app").is_empty() && notes() > LETTERS
        });
        // Each has one name: those that were under way came with the same key.
        assert_eq!((before, notes()), (4, LETTERS + 1), "{durability}");
        assert_eq!(folder.files("example.org/bob/new").len(), LETTERS);
    }
}
