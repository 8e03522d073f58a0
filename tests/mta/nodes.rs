//! `docs/scale.md`: several nodes with Maildirs, and an MTA before them that knows which mailbox is where.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::content::awkward;
use crate::maildir::{Maildir, Stored};
use crate::mta::Mta;
use crate::postfix::Postfix;
use crate::program::{MAIASAURA, feed, program};
use crate::receiver::folder;
use crate::sample::scale;
use crate::service::{Service, free_port};

const SENDER: &str = "sender@example.net";
/// Where the nodes are on the page, and who is before them.
const FIRST: &str = "10.0.0.11:24";
const SECOND: &str = "10.0.0.12:24";
const BEFORE: &str = "10.0.0.10:24";

/// A node; it can end and come back.
struct Node {
    name: String,
    address: String,
    folder: TempDir,
    service: Option<Service>,
}

impl Node {
    /// The block of the page with this title, with these texts replaced, under another name.
    fn start(number: usize, title: &str, here: &[(&str, &str)]) -> Self {
        let (name, address) = (format!("node{number}"), here_at(free_port()));
        let mut here = here.to_vec();
        here.push((FIRST, &address));
        here.push(("node1", &name));
        let folder = folder();
        fs::write(folder.path().join("maiasaura.yaml"), scale(title, &here)).expect("a file");
        let mut node = Self {
            name,
            address,
            folder,
            service: None,
        };
        node.comes();
        node
    }

    fn comes(&mut self) {
        let place = self.folder.path();
        let mut command = Command::new(MAIASAURA);
        command.args(["-c", "maiasaura.yaml"]).current_dir(place);
        let mut service = Service::start(&self.name, &mut command, place);
        service.line(&["started"]);
        self.service = Some(service);
    }

    fn goes(&mut self) {
        let mut service = self.service.take().expect("it runs");
        let ended = service.stop();
        let log = service.said();
        let sound = !log.contains(" ERROR ") && !log.contains("panicked");
        assert!(ended.success() && sound, "{ended}\n{log}");
    }

    /// Waits for a line of its log.
    fn logged(&mut self, words: &[&str]) {
        let service = self.service.as_mut().expect("it runs");
        service.line(words);
    }

    fn has_logged(&self, words: &str) -> bool {
        let service = self.service.as_ref();
        service.is_some_and(|service| service.said().contains(words))
    }
}

fn end(nodes: [Node; 2]) {
    for mut node in nodes {
        node.goes();
    }
}

fn here_at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A node of the page with Maildirs of its own.
fn node(number: usize) -> Node {
    Node::start(number, "maiasaura.yaml node", &[("/var/mail", "mail")])
}

fn maildir(place: &Path, user: &str) -> Maildir {
    Maildir(place.join("mail/example.org").join(user))
}

/// The Postfix of the page before these nodes.
fn postfix(nodes: &[Node; 2]) -> Postfix {
    let here = [(FIRST, &*nodes[0].address), (SECOND, &*nodes[1].address)];
    let table = scale("nodes", &here);
    Postfix::looking_into(&scale("main.cf nodes", &[]), Some(("nodes", table)))
}

/// Waits until a mailbox has so many messages.
#[track_caller]
fn arrived(mta: &dyn Mta, maildir: &Maildir, count: usize) -> Vec<Stored> {
    mta.until(
        &format!("{count} messages in {}", maildir.0.display()),
        || (maildir.files("new").len() == count).then(|| maildir.messages()),
    )
}

/// In one message both: each is in the Maildir of its own node, a subaddress too, and nowhere else.
#[test]
fn each_mailbox_is_on_its_node() {
    let nodes = [node(1), node(2)];
    let mta = &postfix(&nodes) as &dyn Mta;
    let both = ["alice@example.org", "bob@example.org"];
    mta.send(SENDER, &both, &awkward("both"), &[]);
    mta.send(SENDER, &["alice+lists@example.org"], &awkward("list"), &[]);
    mta.empty();
    let files = |node: &Node, user| maildir(node.folder.path(), user).messages().len();
    let [first, second] = &nodes;
    let alice = arrived(mta, &maildir(first.folder.path(), "alice"), 2);
    assert!(
        alice
            .iter()
            .all(|mail| mail.trace().contains("by node1.example.org"))
    );
    let bob = arrived(mta, &maildir(second.folder.path(), "bob"), 1);
    assert!(bob[0].trace().contains("by node2.example.org"));
    assert_eq!((files(first, "bob"), files(second, "alice")), (0, 0));
    end(nodes);
}

/// The table says who is there, so that strangers are refused while their client still listens.
#[test]
fn strangers_are_refused_by_the_mta() {
    let nodes = [node(1), node(2)];
    let mta = postfix(&nodes);
    let mut swaks = program("swaks");
    swaks.args(["--server", &here_at(mta.port()), "--from", SENDER]);
    swaks.args(["--to", "nosuch@example.org", "--quit-after", "RCPT"]);
    let said = feed(&swaks, b"");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("550 5.1.1"), "{said}");
}

/// Of one message for both the copy for the node that is there is delivered, and the other one waits.
#[test]
fn a_node_that_is_away_holds_up_its_own_mailboxes_only() {
    let mut nodes = [node(1), node(2)];
    let mta = &postfix(&nodes) as &dyn Mta;
    nodes[1].goes();
    let both = ["alice@example.org", "bob@example.org"];
    mta.send(SENDER, &both, &awkward("away"), &[]);
    arrived(mta, &maildir(nodes[0].folder.path(), "alice"), 1);
    mta.waits(&["bob@example.org", "refused"]);
    assert!(
        !mta.queue().contains("alice@example.org"),
        "{}",
        mta.queue()
    );
    nodes[1].comes();
    mta.empty();
    arrived(mta, &maildir(nodes[1].folder.path(), "bob"), 1);
    arrived(mta, &maildir(nodes[0].folder.path(), "alice"), 1);
    end(nodes);
}

#[test]
fn several_mtas_may_stand_before_the_same_nodes() {
    let nodes = [node(1), node(2)];
    let mtas = [postfix(&nodes), postfix(&nodes)];
    for (number, mta) in mtas.iter().enumerate() {
        let message = awkward(&format!("mta-{number}"));
        (mta as &dyn Mta).send(
            SENDER,
            &["alice@example.org", "bob@example.org"],
            &message,
            &[],
        );
    }
    for (node, user) in nodes.iter().zip(["alice", "bob"]) {
        arrived(&mtas[0], &maildir(node.folder.path(), user), 2);
    }
    end(nodes);
}

/// `HAProxy` of the page before these nodes.
fn haproxy(nodes: &[Node; 2], folder: &Path) -> (Service, String) {
    let address = here_at(free_port());
    let here = [
        (FIRST, &*nodes[0].address),
        (SECOND, &*nodes[1].address),
        (BEFORE, &*address),
        ("inter 2s", "inter 50ms"),
    ];
    let file = folder.join("haproxy.cfg");
    fs::write(&file, scale("haproxy.cfg lmtp", &here)).expect("a file");
    let mut command = program("haproxy");
    command.arg("-db").arg("-f").arg(file);
    let mut proxy = Service::start("haproxy", &mut command, folder);
    let (_, port) = address.rsplit_once(':').expect("a port");
    proxy.port(port.parse().expect("a port"));
    (proxy, address)
}

/// Either node delivers into the Maildirs that they share; one that has gone gets nothing until it is back.
#[test]
fn haproxy_spreads_what_any_node_may_have() {
    let folder = folder();
    let shared = folder.path().join("mail").display().to_string();
    let here = [("/srv/mail", &*shared), ("10.0.0.10", "127.0.0.1")];
    let mut nodes = [1, 2].map(|number| Node::start(number, "maiasaura.yaml shared", &here));
    let (mut proxy, address) = haproxy(&nodes, folder.path());
    let main = scale("main.cf shared", &[(BEFORE, &*address)]);
    let mta = &Postfix::looking_into(&main, None) as &dyn Mta;
    let alice = maildir(folder.path(), "alice");
    let mut sent = 0;
    while !nodes.iter().all(|node| node.has_logged("status=delivered")) {
        assert!(sent < 20, "one node gets all of it\n{}", proxy.said());
        mta.send(
            SENDER,
            &["alice@example.org"],
            &awkward(&format!("{sent}")),
            &[],
        );
        sent += 1;
        arrived(mta, &alice, sent);
        mta.empty();
    }
    nodes[0].logged(&["status=delivered", "client=127.0.0.1", "proxy=127.0.0.1"]);

    nodes[0].goes();
    proxy.line(&["lmtp/node1 is DOWN"]);
    mta.send(SENDER, &["alice@example.org"], &awkward("down"), &[]);
    arrived(mta, &alice, sent + 1);
    nodes[0].comes();
    proxy.line(&["lmtp/node1 is UP"]);
    let names: Vec<String> = alice.messages().into_iter().map(|mail| mail.name).collect();
    for node in &nodes {
        let host = format!(".{}.example.org", node.name);
        assert!(names.iter().any(|name| name.contains(&host)), "{names:?}");
    }
    proxy.stop();
    end(nodes);
}
