//! Unix sockets: who may connect, and whose file is replaced or removed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use maiasaura::server::{Access, Address, PassedSockets};
use rustix::process::{Signal, getegid};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::client::Client;
use crate::house::{Folder, is_socket, mode};
use crate::process::{Ended, Program, command, configure, run};

const ON_A_SOCKET: &str = "listeners: [{address: \"unix:${FOLDER}/socket\"}]";

/// Starts a server that cannot listen, and returns what it says.
#[track_caller]
fn refused(folder: &Folder) -> Ended {
    configure(folder, ON_A_SOCKET);
    let ended = run(folder, &["-c", "config.yaml"], b"");
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    let start = format!(
        "maiasaura: cannot listen on unix:{}: ",
        folder.path("socket").display()
    );
    assert!(ended.complaint().starts_with(&start), "{ended:#?}");
    ended
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("it is there").ino()
}

#[test]
fn mode_and_group_are_as_written() {
    let group = getegid().as_raw();
    for (written, bits) in [
        ("", 0o660),
        (":0600", 0o600),
        (":0666", 0o666),
        (":0660:GROUP", 0o660),
    ] {
        let folder = Folder::new();
        let written = written.replace("GROUP", &group.to_string());
        let yaml = format!("listeners: [{{address: \"unix:${{FOLDER}}/socket{written}\"}}]");
        let program = Program::serve(&folder, &yaml);
        let socket = folder.path("socket");
        assert_eq!(mode(&socket), bits, "{written}");
        assert_eq!(fs::metadata(&socket).expect("it is there").gid(), group);
        program.client().wants("NOOP", "250 ");
        program.stop();
        assert!(!socket.exists(), "{written}: it is left behind");
    }
}

#[test]
fn what_a_killed_server_left_is_replaced() {
    let folder = Folder::new();
    let killed = Program::serve(&folder, ON_A_SOCKET);
    killed.signal(Signal::KILL);
    killed.end();
    assert!(is_socket(&folder.path("socket")));
    let program = Program::serve(&folder, ON_A_SOCKET);
    program.client().wants("NOOP", "250 ");
    program.stop();
    assert!(!folder.path("socket").exists());
}

#[test]
fn the_socket_of_a_living_server_stays() {
    let folder = Folder::new();
    let program = Program::serve(&folder, ON_A_SOCKET);
    let first = inode(&folder.path("socket"));
    let ended = refused(&folder);
    assert!(
        ended.complaint().contains("another program listens there"),
        "{ended:#?}"
    );
    assert_eq!(inode(&folder.path("socket")), first);
    program.client().wants("NOOP", "250 ");
    program.stop();
}

/// One that accepts nobody, and whose queue is full, would never answer.
#[test]
fn a_server_that_hangs_is_a_living_one() {
    let folder = Folder::new();
    let hung = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    let address = SockAddr::unix(folder.path("socket")).expect("its address");
    hung.bind(&address).expect("it is bound");
    hung.listen(0).expect("it listens");
    let waiting = UnixStream::connect(folder.path("socket")).expect("there is one place");
    let ended = refused(&folder);
    assert!(
        ended.complaint().contains("another program listens there"),
        "{ended:#?}"
    );
    assert!(is_socket(&folder.path("socket")));
    drop((waiting, hung));
}

#[test]
fn what_is_no_mail_socket_stays() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 3] = [
        ("there is a file that is no socket", |path| {
            fs::write(path, "precious").expect("a file");
        }),
        ("there is a file that is no socket", |path| {
            fs::create_dir(path).expect("a folder");
        }),
        ("there is a file that is no socket", |path| {
            std::os::unix::fs::symlink("elsewhere", path).expect("a link");
        }),
    ];
    for (message, make) in cases {
        let folder = Folder::new();
        make(&folder.path("socket"));
        let before = inode(&folder.path("socket"));
        let ended = refused(&folder);
        assert!(ended.complaint().contains(message), "{ended:#?}");
        assert_eq!(inode(&folder.path("socket")), before);
    }
    let folder = Folder::new();
    let datagrams = UnixDatagram::bind(folder.path("socket")).expect("a socket");
    let ended = refused(&folder);
    assert!(
        ended.complaint().contains("another program listens there"),
        "{ended:#?}"
    );
    drop(datagrams);
}

#[test]
fn a_socket_that_came_in_its_place_is_not_removed() {
    let folder = Folder::new();
    let program = Program::serve(&folder, ON_A_SOCKET);
    fs::remove_file(folder.path("socket")).expect("it is there");
    let other = UnixListener::bind(folder.path("socket")).expect("the place is free");
    program.stop();
    assert!(is_socket(&folder.path("socket")));
    UnixStream::connect(folder.path("socket")).expect("the other one listens");
    drop(other);
}

/// A server that has bound its socket and does not listen yet looks like one that was killed.
#[test]
fn of_many_that_start_at_once_one_listens() {
    const MANY: usize = 8;
    for round in 0..20 {
        let folder = Folder::new();
        let socket = folder.path("socket");
        drop(UnixListener::bind(&socket).expect("one that was left"));
        let address = Address::Unix(socket.clone(), Access::with_mode(0o600));
        let barrier = Barrier::new(MANY);
        let bound: Vec<_> = thread::scope(|scope| {
            let start = || {
                barrier.wait();
                address.bind(&mut PassedSockets::from_env())
            };
            let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(start)).collect();
            let ends = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"));
            ends.collect()
        });
        let winners = bound.iter().filter(|bound| bound.is_ok()).count();
        assert_eq!(winners, 1, "round {round}: {bound:#?}");
        UnixStream::connect(&socket).expect("the winner has the name");
        drop(bound);
        assert!(!socket.exists());
    }
}

#[test]
fn a_folder_that_is_missing_or_not_ours_is_told() {
    let folder = Folder::new();
    configure(
        &folder,
        "listeners: [{address: \"unix:${FOLDER}/none/socket\"}]",
    );
    let ended = run(&folder, &["-c", "config.yaml"], b"");
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(
        ended.complaint().ends_with("; make the folder first"),
        "{ended:#?}"
    );
}

/// The lock that keeps servers apart while they start is anybody's who can read the folder.
#[test]
fn a_folder_that_is_locked_for_ever_is_no_obstacle() {
    let folder = Folder::new();
    let lock = fs::File::open(folder.path("")).expect("a folder can be opened");
    lock.lock().expect("nobody else has locked it");
    let program = Program::serve(&folder, ON_A_SOCKET);
    Client::greeted(program.address()).wants("NOOP", "250 ");
    program.stop();
}

/// The lock is not needed to listen.
#[test]
fn a_folder_that_cannot_be_listed_will_do() {
    let folder = Folder::new();
    let inner = folder.path("inner");
    fs::create_dir(&inner).expect("it can be made");
    fs::set_permissions(&inner, Permissions::from_mode(0o300)).expect("its mode");
    configure(
        &folder,
        "listeners: [{address: \"unix:${FOLDER}/inner/socket\"}]",
    );
    let program = Program::introduced(
        command(&folder, &["-c", "config.yaml"]),
        "listeners: [{address: x}]",
    );
    program.client().wants("NOOP", "250 ");
    program.stop();
    fs::set_permissions(&inner, Permissions::from_mode(0o700)).expect("its mode");
}
