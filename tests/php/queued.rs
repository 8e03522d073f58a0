//! A receiver whose clients do not wait for PHP: mail is in the Maildir and in a queue, and PHP gets
//! it when it can.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::fpm::{Fpm, set_mode};
use crate::house::{Folder, House, eventually};
use crate::process::{Program, configure, run};

const SENDER: &str = "s@example.net";
const BOB: &str = "bob@example.org";

/// PHP with a folder for its notes.
pub fn fpm() -> Fpm {
    let fpm = Fpm::start();
    let notes = fpm.path("notes");
    fs::create_dir(&notes).expect("the folder is ours");
    set_mode(&notes, 0o777);
    fpm
}

/// What PHP has noted: by key, a line for each attempt.
pub fn notes(fpm: &Fpm) -> BTreeMap<String, Vec<String>> {
    let notes = fs::read_dir(fpm.path("notes")).expect("it is there");
    let notes = notes.map(|entry| entry.expect("it can be listed"));
    let lines = |path| fs::read_to_string(path).expect("it is text");
    notes
        .map(|entry| {
            let key = entry.file_name().to_string_lossy().into_owned();
            let lines = lines(entry.path()).lines().map(str::to_owned).collect();
            (key, lines)
        })
        .collect()
}

/// A receiver in front of a script. The address is in quotes, as it is none of a listener.
pub fn yaml(fpm: &Fpm, script: &str, keys: &str) -> String {
    format!(
        "save: HeadersParser|Hasher|Header|MailDir|FastCGI\n\
         limits: {{connections_per_ip: 1000, message_size: 25MB}}\n\
         fastcgi: {{\"address\": \"unix:{}\", script: {}{keys}}}\n",
        fpm.path("php.sock").display(),
        fpm.path(script).display(),
    )
}

fn house(fpm: &Fpm, script: &str, keys: &str) -> House {
    let yaml = yaml(fpm, script, keys);
    let house = House::new(&yaml);
    configure(&house.folder, &yaml);
    house
}

/// What `maiasaura queue` says when all is well.
#[track_caller]
pub fn queue(folder: &Folder, arguments: &[&str]) -> String {
    let arguments = [&["-c", "config.yaml", "queue"], arguments].concat();
    let ended = run(folder, &arguments, b"");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.stdout.join("\n")
}

#[track_caller]
fn deliver(house: &House, subject: &str) {
    let mail = format!("Subject: {subject}\r\n\r\nbody\r\n");
    let reply = house.client().deliver(SENDER, &[BOB], mail.as_bytes());
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

pub fn waiting(folder: &Folder) -> usize {
    folder.letters("fastcgi").len()
}

/// The value of a member of one JSON object.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, value) = json.split_once(&format!("\"{name}\":\"")).expect(json);
    value.split('"').next().expect("it has an end")
}

#[test]
fn php_gets_what_is_in_the_maildir() {
    let fpm = fpm();
    let house = house(&fpm, "notes.php", "");
    deliver(&house, "take");
    eventually("it is handed over", || {
        notes(&fpm).len() == 1 && waiting(&house.folder) == 0
    });
    let stored = fs::read(&house.folder.files("example.org/bob/new")[0]).expect("it is there");
    let copy = fpm.write("copy", crate::house::crlf(&stored));
    let output = std::process::Command::new("sha256sum").arg(copy).output();
    let said = String::from_utf8(output.expect("it is everywhere").stdout).expect("it is text");
    let sum = &said[..64];
    let (key, lines) = notes(&fpm).pop_first().expect("it is one");
    assert_eq!(key.len(), 64);
    assert_eq!(lines, [format!("1 {sum} {BOB} 127.0.0.1")]);
}

#[test]
fn while_php_is_away_mail_waits() {
    let mut fpm = fpm();
    fpm.stop();
    let house = house(&fpm, "notes.php", "");
    for subject in ["one", "two", "three"] {
        deliver(&house, subject);
    }
    assert_eq!(house.folder.mails("example.org/bob").len(), 3);
    eventually("PHP is found away", || {
        house.folder.files(".spool/fastcgi/state").len() == 3
    });
    let list = queue(&house.folder, &["list", "--json"]);
    let mut keys: Vec<_> = list.lines().map(|line| member(line, "key")).collect();
    keys.sort_unstable();
    assert!(list.contains("cannot connect to unix:/"), "{list}");
    fpm.run();
    queue(&house.folder, &["retry", "--all"]);
    eventually("all are handed over", || waiting(&house.folder) == 0);
    let notes = notes(&fpm);
    assert_eq!(notes.keys().collect::<Vec<_>>(), keys);
    assert!(notes.values().all(|lines| lines.len() == 1), "{notes:?}");
    assert_eq!(queue(&house.folder, &["list"]), "0 waiting, 0 dead");
}

#[test]
fn php_may_ask_for_patience() {
    let fpm = fpm();
    let house = house(&fpm, "notes.php", "");
    deliver(&house, "wait");
    eventually("it is noted", || {
        house.folder.files(".spool/fastcgi/state").len() == 1
    });
    let list = queue(&house.folder, &["list", "--json"]);
    let (_, next) = list
        .split_once("\"next\":")
        .expect("it is to be tried again");
    let next = next.split(',').next().and_then(|next| next.parse().ok());
    // Two hours, and not the ten seconds that follow a first failure.
    let soon = SystemTime::now() + Duration::from_hours(1);
    let soon = soon.duration_since(UNIX_EPOCH).expect("it is later");
    assert!(next > Some(soon.as_secs()), "{list}");
    queue(&house.folder, &["retry", "--all"]);
    eventually("the second attempt is good", || waiting(&house.folder) == 0);
    let notes = notes(&fpm);
    let lines = notes.values().next().expect("one key for all attempts");
    let attempts: Vec<_> = lines.iter().map(|line| &line[..1]).collect();
    assert_eq!((notes.len(), &attempts[..]), (1, &["1", "2"][..]));
}

#[test]
fn what_php_refuses_is_a_dead_letter() {
    let fpm = fpm();
    let house = house(&fpm, "notes.php", "");
    deliver(&house, "refuse");
    let dead = || house.folder.files(".spool/dead/new");
    eventually("it is dead", || {
        dead().len() == 1 && waiting(&house.folder) == 0
    });
    let text = fs::read_to_string(&dead()[0]).expect("it is there");
    let reason = text.lines().next().expect("it has lines");
    assert!(
        reason.starts_with("X-Queue-Reason: 550 5.7.1 ") && reason.contains("status 422"),
        "{reason}"
    );
    assert_eq!(house.folder.mails("example.org/bob").len(), 1);
    fpm.write("notes/ready", "");
    queue(&house.folder, &["replay"]);
    eventually("it is handed over", || {
        dead().is_empty() && waiting(&house.folder) == 0
    });
    let keys = notes(&fpm).into_keys().filter(|name| name != "ready");
    assert_eq!(keys.count(), 1);
}

/// Sends so many letters to Bob, each with a subject of its own; all are taken.
fn deliver_many(program: &Program, subject: &str, letters: usize) {
    let mut client = program.client();
    for number in 0..letters {
        let mail = format!("Subject: {subject} {number}\r\n\r\nbody\r\n");
        let reply = client.deliver(SENDER, &[BOB], mail.as_bytes());
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
}

/// Nobody gets what is not handed over, and nobody gets twice what is.
#[test]
fn what_waits_for_php_outlasts_a_kill() {
    const LETTERS: usize = 20;
    let mut fpm = fpm();
    fpm.stop();
    let folder = Folder::new();
    let yaml = yaml(&fpm, "notes.php", "");
    let program = Program::serve(&folder, &yaml);
    deliver_many(&program, "quick", LETTERS);
    program.signal(Signal::KILL);
    program.end();
    assert_eq!(waiting(&folder), LETTERS);
    fpm.run();
    let program = Program::serve(&folder, &yaml);
    queue(&folder, &["retry", "--all"]);
    eventually("all are handed over", || waiting(&folder) == 0);
    program.stop();
    let notes = notes(&fpm);
    assert_eq!(notes.len(), LETTERS);
    assert!(notes.values().all(|lines| lines.len() == 1), "{notes:?}");
}

/// What is under way when we are killed comes again, with its key; what was handed over does not.
#[test]
fn a_kill_among_many_loses_none() {
    const LETTERS: usize = 60;
    let mut fpm = fpm();
    fpm.stop();
    let folder = Folder::new();
    let yaml = yaml(&fpm, "notes.php", "");
    let program = Program::serve(&folder, &yaml);
    deliver_many(&program, "slow", LETTERS);
    fpm.run();
    queue(&folder, &["retry", "--all"]);
    eventually("some are handed over", || notes(&fpm).len() > 5);
    program.signal(Signal::KILL);
    program.end();
    let left = waiting(&folder);
    assert!((1..LETTERS).contains(&left), "{left} are left");
    let program = Program::serve(&folder, &yaml);
    eventually("all are handed over", || waiting(&folder) == 0);
    program.stop();
    let notes = notes(&fpm);
    assert_eq!(notes.len(), LETTERS);
    let attempts: usize = notes.values().map(Vec::len).sum();
    // Four at once may have been under way.
    assert!(attempts <= LETTERS + 4, "{notes:?}");
}

/// PHP that takes a message and never answers holds up neither clients nor the end.
#[test]
fn php_may_hang() {
    let fpm = fpm();
    fpm.write("hangs.php", "<?php sleep(600); echo 'SAVED';");
    let folder = Folder::new();
    let yaml =
        yaml(&fpm, "hangs.php", ", timeout: 500ms, connections: 2") + "timeouts: {shutdown: 1s}\n";
    let program = Program::serve(&folder, &yaml);
    let mut client = program.client();
    for _ in 0..4 {
        let reply = client.deliver(SENDER, &[BOB], b"Subject: t\r\n\r\nbody\r\n");
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    program.stderr.wait("no answer within 500ms", 2);
    drop(client);
    program.stop();
    assert_eq!(waiting(&folder), 4);
}

/// More than is kept in memory, with and without a queue.
#[test]
fn large_mail_comes_as_it_is() {
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let mail = [b"Subject: t\r\n\r\n".to_vec(), line.repeat(100_000)].concat();
    for delivery in ["queued", "inline"] {
        let fpm = fpm();
        fpm.write("mail.eml", &mail);
        let yaml = yaml(&fpm, "large.php", &format!(", delivery: {delivery}"));
        let house = House::new(&yaml.replace("Header|", ""));
        let reply = house.client().deliver(SENDER, &[BOB], &mail);
        assert!(reply.starts_with("250 2.0.0 "), "{delivery}: {reply}");
        eventually("it is handed over", || waiting(&house.folder) == 0);
        let state = house.folder.files(".spool/fastcgi/state");
        assert!(state.is_empty(), "{delivery}: it was tried more than once");
    }
}

/// A reader has moved the message before PHP is told where it is.
#[test]
fn php_is_told_where_the_message_lies_now() {
    let mut fpm = fpm();
    let house = house(&fpm, "where.php", ", body: path");
    fpm.stop();
    deliver(&house, "take");
    eventually("PHP is found away", || {
        house.folder.files(".spool/fastcgi/state").len() == 1
    });
    let file = house.folder.files("example.org/bob/new").remove(0);
    let name = file.file_name().expect("it has a name").to_string_lossy();
    let moved = house.folder.path("maildirs/example.org/bob/cur");
    let moved = moved.join(format!("{name}:2,S"));
    fs::rename(&file, &moved).expect("it can be moved");
    fpm.run();
    queue(&house.folder, &["retry", "--all"]);
    eventually("it is handed over", || waiting(&house.folder) == 0);
    let size = fs::metadata(&moved).expect("it is there").len();
    let noted = notes(&fpm).remove("where").expect("it is noted");
    assert_eq!(noted, [format!("{size} {}", moved.display())]);
    // Where it is not there at all, nobody can help.
    fpm.stop();
    deliver(&house, "take");
    fs::remove_file(&house.folder.files("example.org/bob/new")[0]).expect("it is there");
    queue(&house.folder, &["retry", "--all"]);
    eventually("it is dead", || {
        house.folder.files(".spool/dead/new").len() == 1
    });
}
