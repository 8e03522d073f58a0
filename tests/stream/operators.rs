//! `maiasaura work` as those see it who run it: its pid, its logs, reloads, what systemd hears.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::house::{Folder, House, eventually};
use crate::pair::{BOB, delivers, lengths, worker_process, yaml};
use crate::process::{Program, command, configure};
use crate::server::Server;

const MAIL: &[u8] = b"Subject: t\r\n\r\nbody\r\n";

#[test]
fn its_pid_is_in_the_file_while_it_runs() {
    let (server, folder) = (Server::start(), Folder::new());
    let keys = yaml(&server, "", "pid_file: \"${FOLDER}/pid\"\n");
    let first = worker_process(&folder, &keys);
    let pid = || fs::read_to_string(folder.path("pid")).unwrap_or_default();
    assert_eq!(pid(), format!("{}\n", first.pid().as_raw_pid()));
    // Another with the same file does not start; one with a file of its own does.
    let second = Program::spawn(command(&folder, &["-c", "config.yaml", "work"])).end();
    assert_eq!(second.code, Some(69), "{second:#?}");
    assert!(
        second
            .complaint()
            .contains("is held by a maiasaura that runs"),
        "{second:#?}"
    );
    let own = ["-c", "config.yaml", "work", "--pid-file", "other"];
    let third = Program::spawn(command(&folder, &own));
    third.stdout.wait("  delivers ", 1);
    let other = fs::read_to_string(folder.path("other")).expect("it is there");
    assert_eq!(other, format!("{}\n", third.pid().as_raw_pid()));
    third.stop();
    first.stop();
    assert!(!folder.path("pid").exists() && !folder.path("other").exists());
}

/// Where it is a reload that asks for it, what is written is at fault.
#[test]
fn a_file_that_another_has_is_refused_with_its_line() {
    let (server, folder) = (Server::start(), Folder::new());
    let taken = format!("pid_file: {}\n", folder.path("pid").display());
    let first = worker_process(&folder, &yaml(&server, "", &taken));
    let other = Folder::new();
    let second = worker_process(&other, &yaml(&server, "", ""));
    let keys = yaml(&server, "", &taken);
    configure(&other, &keys);
    second.signal(Signal::HUP);
    let lines = second.stderr.wait("ERROR not reloaded", 1);
    let is_told = |part: &str| lines[0].contains(part);
    assert!(
        is_told("config.yaml:") && is_told("pid_file: "),
        "{lines:#?}"
    );
    assert!(is_told("is held by a maiasaura that runs"), "{lines:#?}");
    second.stop();
    first.stop();
}

#[test]
fn usr1_reopens_its_log() {
    let (server, folder) = (Server::start(), Folder::new());
    let log = folder.path("work.log");
    let keys = yaml(&server, "", "log: {file: \"${FOLDER}/work.log\"}\n");
    let program = worker_process(&folder, &keys);
    let has = |text: &str| fs::read_to_string(&log).is_ok_and(|said| said.contains(text));
    eventually("it has begun", || has("started"));
    fs::rename(&log, folder.path("old.log")).expect("it can be renamed");
    program.signal(Signal::USR1);
    program.signal(Signal::HUP);
    eventually("it writes a new file", || has("reloaded: nothing changed"));
    program.stop();
}

/// What was put off goes where the next configuration says, without waiting for its time.
#[test]
fn hup_takes_another_configuration() {
    let (server, folder) = (Server::start(), Folder::new());
    let house = House::new(&yaml(&server, "", ""));
    fs::write(folder.path("file"), "").expect("a file");
    let before = yaml(&server, ", partitions: 4", "").replace("partitions: 4, take", "take");
    let wrong = before.clone() + "maildir: {path: \"${FOLDER}/file/{host}/{user}\"}\n";
    let program = worker_process(&folder, &wrong);
    delivers(&house, &[BOB], MAIL);
    program.stderr.wait("not delivered yet", 1);
    let right =
        before + "maildir: {path: \"${FOLDER}/other/{host}/{user}\"}\nlog: {level: debug}\n";
    configure(&folder, &right);
    program.signal(Signal::HUP);
    let lines = program.stderr.wait(" reloaded: ", 1);
    assert!(
        lines[0].contains("changed: maildir.path, log.level"),
        "{lines:#?}"
    );
    let new = folder.path("other/example.org/bob/new");
    let there = || fs::read_dir(&new).map_or(0, Iterator::count);
    eventually("it is delivered", || there() == 1);
    delivers(&house, &[BOB], b"Subject: another\r\n\r\nbody\r\n");
    eventually("the next one, too", || there() == 2);
    eventually("nothing is left", || lengths(&server) == (0, 0));
    program.stop();
}

#[test]
fn hup_takes_all_of_it_or_nothing() {
    let (server, folder) = (Server::start(), Folder::new());
    let right = yaml(&server, "", "pid_file: \"${FOLDER}/pid\"\n");
    let house = House::new(&yaml(&server, "", ""));
    let program = worker_process(&folder, &right);
    for (number, (wrong, said)) in [
        (
            "maildir: {path: nowhere, durable: yes}\n",
            "unknown key \"durable\"",
        ),
        (
            "maildir: {path: \"${FOLDER}/other/{host}/{user}\"}\nlog: {file: ./no/log}\n",
            "mkdir -p",
        ),
        (
            "pid_file: \"${FOLDER}/no/pid\"\nmaildir: {path: \"${FOLDER}/other/{host}/{user}\"}\n",
            "mkdir -p",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        configure(&folder, &yaml(&server, "", wrong));
        program.signal(Signal::HUP);
        let lines = program.stderr.wait("ERROR not reloaded", number + 1);
        assert!(lines[number].contains(said), "{said} in {lines:#?}");
        assert!(folder.path("pid").exists());
        delivers(
            &house,
            &[BOB],
            format!("Subject: {number}\r\n\r\n").as_bytes(),
        );
        eventually("the one from before goes on", || {
            folder.mail_count() == number + 1
        });
    }
    assert_eq!(folder.mails("example.org/bob").len(), 3);
    program.stop();
}

/// Mail comes in all the while: each is delivered, and delivered once.
#[test]
fn nobody_notices_a_reload() {
    const MANY: usize = 150;
    let (server, folder) = (Server::start(), Folder::new());
    let house = House::new(&yaml(&server, "", ""));
    let program = worker_process(&folder, &yaml(&server, "", ""));
    let mut client = house.client();
    for number in 0..MANY {
        let reply = client.deliver(
            "s@example.net",
            &[BOB],
            format!("Subject: t\r\n\r\n{number}\r\n").as_bytes(),
        );
        assert!(reply.starts_with("250 "), "{reply}");
        if number % 30 == 15 {
            configure(
                &folder,
                &yaml(&server, &format!(", at_once: {}", number / 10), ""),
            );
            program.signal(Signal::HUP);
            program
                .stderr
                .wait("reloaded: changed: stream", number / 30 + 1);
        }
    }
    eventually("all are done with", || lengths(&server) == (0, 0));
    let mails = folder.mails("example.org/bob");
    let contents: BTreeSet<&[u8]> = mails.iter().map(|mail| &*mail.content).collect();
    assert_eq!((mails.len(), contents.len()), (MANY, MANY));
    program.stop();
}

/// `Type=notify`: ready, a reload and what it has taken, the end.
#[test]
fn it_tells_the_service_manager() {
    let (server, folder) = (Server::start(), Folder::new());
    let notices = UnixDatagram::bind(folder.path("notify")).expect("a socket");
    let patience = Some(Duration::from_mins(1));
    notices.set_read_timeout(patience).expect("a timeout");
    let any_notice = || {
        let mut notice = [0; 4096];
        let length = notices.recv(&mut notice).expect("a notice in time");
        String::from_utf8_lossy(&notice[..length]).into_owned()
    };
    let notice = || loop {
        let notice = any_notice();
        if notice != "WATCHDOG=1\n" {
            return notice;
        }
    };
    configure(&folder, &yaml(&server, "", ""));
    let mut command = command(&folder, &["-c", "config.yaml", "work", "--consume", "0-1"]);
    command.env("NOTIFY_SOCKET", folder.path("notify"));
    command.env("WATCHDOG_USEC", "100000");
    let program = Program::spawn(command);
    let ready = |notice: &str| {
        notice.starts_with("READY=1\nSTATUS=taking mail from unix:")
            && notice.ends_with(", partitions 0-1 of 4\n")
    };
    let first = notice();
    assert!(ready(&first), "{first}");
    for _ in 0..3 {
        assert_eq!(any_notice(), "WATCHDOG=1\n");
    }
    program.signal(Signal::HUP);
    let reloading = notice();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    let again = notice();
    assert!(ready(&again), "what the command line says stays: {again}");
    program.signal(Signal::TERM);
    let stopping = notice();
    assert!(
        stopping.starts_with("STOPPING=1\nSTATUS=finishing what has begun\n"),
        "{stopping}"
    );
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

/// The rights that the page names are enough, to take over a mark as well.
#[test]
fn few_rights_are_enough() {
    let page = include_str!("../../docs/scale.md");
    let (_, rights) = page
        .split_once("A user of Redis with few rights")
        .expect("it tells");
    let (rights, _) = rights.split_once("\n\n").expect("it ends");
    let (receiver, worker) = rights.split_once("for workers").expect("it tells of both");
    // Redis before 7.2 does not know WAITAOF.
    let user = |name: &str, rights: &str| {
        let words = rights.split(|c: char| !c.is_ascii_uppercase());
        let commands = words
            .filter(|word| word.len() > 2 && *word != "WAITAOF")
            .map(|word| format!(" +{word}"));
        format!(
            "user {name} on >pw ~maiasaura:*{}\n",
            commands.collect::<String>()
        )
    };
    let users = user("receiver", receiver) + &user("worker", worker);
    let server = Server::with(&users);
    let as_user = |name: &str| {
        let keys = format!("{{user: {name}, password: pw, \"address\"");
        yaml(&server, "", "").replace("{\"address\"", &keys)
    };
    let (folder, house) = (Folder::new(), House::new(&as_user("receiver")));
    delivers(&house, &[BOB], MAIL);
    let program = worker_process(&folder, &as_user("worker"));
    eventually("it is delivered", || folder.mail_count() == 1);
    // What was withdrawn after somebody had marked it.
    let mark = server.keys("*:mark:*").remove(0);
    eventually("it is removed", || lengths(&server) == (0, 0));
    server.ask::<String>(&["SET", &mark, "1-1"]);
    delivers(&house, &[BOB], MAIL);
    eventually("the mark is taken over", || folder.mail_count() == 2);
    eventually("it is removed", || lengths(&server) == (0, 0));
    let said = program.stop().stderr.join("\n");
    assert!(!said.contains("NOPERM"), "{said}");
}
