//! A Redis Cluster of three: keys and partitions go where it places them.

use std::process::Command;
use std::time::Duration;

use maiasaura::health::State;
use maiasaura::redis::{Client, Endpoint, Settings, Value, command};
use maiasaura::stream as streams;
use redis::{Connection, cmd};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::house::{House, eventually};
use crate::marks::one_inherits;
use crate::pair::worker;
use crate::service::{Service, free_port};

const SLOTS: u16 = 16384;
const SENDER: &str = "s@example.net";

/// Three nodes on this machine, each with a third of the slots.
struct Cluster {
    nodes: Vec<Node>,
    _folder: TempDir,
}

impl Cluster {
    fn start() -> Self {
        let folder = TempDir::with_prefix("maiasaura-cluster-").expect("a temporary folder");
        let mut nodes = Vec::new();
        for number in 0..3 {
            nodes.push(node(&folder, number));
        }
        let cluster = Self {
            nodes,
            _folder: folder,
        };
        let first = &cluster.nodes[0];
        for number in 0..3 {
            let mut connection = cluster.connection(number);
            let share = u16::try_from(number).expect("a small number");
            let range = |part: u16| u32::from(SLOTS) * u32::from(part) / 3;
            let (from, to) = (range(share), range(share + 1) - 1);
            let mut slots = cmd("CLUSTER");
            slots.arg("ADDSLOTSRANGE").arg(from).arg(to);
            slots.exec(&mut connection).expect("nobody has them");
            let mut meet = cmd("CLUSTER");
            meet.arg("MEET").arg("127.0.0.1");
            meet.arg(first.port).arg(first.bus);
            meet.exec(&mut connection).expect("it is there");
        }
        eventually("the nodes have found each other", || {
            (0..3).all(|number| {
                let mut connection = cluster.connection(number);
                let info: String = cmd("CLUSTER")
                    .arg("INFO")
                    .query(&mut connection)
                    .expect("a text");
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        });
        cluster
    }

    fn connection(&self, number: usize) -> Connection {
        let address = format!("redis://127.0.0.1:{}/", self.nodes[number].port);
        let client = redis::Client::open(address).expect("an address");
        client.get_connection().expect("it is there")
    }

    fn slot(&self, key: &str) -> u16 {
        let mut connection = self.connection(0);
        let slot = cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query(&mut connection);
        slot.expect("a number")
    }

    /// The node that has the partition of a user, of twelve.
    fn home(&self, user: usize) -> usize {
        let streams = streams::Settings {
            prefix: String::new(),
            partitions: 12,
            group: String::new(),
            replicas: 0,
            waitaof: false,
            remember: Duration::ZERO,
        };
        Self::node(self.slot(&format!("{{{}}}", streams.partition(&mailbox(user)))))
    }

    /// The node that has a slot at the start.
    fn node(slot: u16) -> usize {
        let from = |part: usize| usize::from(SLOTS) * part / 3;
        let mut parts = (0..3).rev();
        parts
            .find(|part| from(*part) <= slot.into())
            .expect("a part")
    }

    /// Keys of each node that fit.
    fn keys(&self, pattern: &str) -> Vec<Vec<String>> {
        let keys = |number| {
            let mut connection = self.connection(number);
            cmd("KEYS")
                .arg(pattern)
                .query(&mut connection)
                .expect("keys")
        };
        (0..3).map(keys).collect()
    }

    fn section(&self) -> String {
        let address = |node: &Node| format!("\"127.0.0.1:{}\"", node.port);
        let addresses: Vec<String> = self.nodes.iter().map(address).collect();
        format!(
            "redis: {{\"address\": [{}], cluster: true, durable: true}}\n",
            addresses.join(", ")
        )
    }
}

/// One node, its port, and that of its bus.
struct Node {
    service: Service,
    port: u16,
    bus: u16,
}

/// A node; another port is taken where somebody else has taken the one that was free.
fn node(folder: &TempDir, number: usize) -> Node {
    let folder = folder.path().join(number.to_string());
    std::fs::create_dir(&folder).expect("a folder");
    for _ in 0..20 {
        let (port, bus) = (free_port(), free_port());
        let text = format!(
            "port {port}\ncluster-port {bus}\nbind 127.0.0.1\ncluster-enabled yes\ndir {}\nsave \"\"\n\
             appendonly yes\nappendfsync always\ncluster-node-timeout 5000\n\
             cluster-require-full-coverage no\n",
            folder.display()
        );
        let file = folder.join("redis.conf");
        std::fs::write(&file, text).expect("a file");
        let mut command = Command::new("redis-server");
        command.arg(&file);
        let mut service = Service::start("redis", &mut command, &folder);
        let mut is_ready = false;
        eventually("it listens, or cannot", || {
            let said = service.said();
            is_ready = said.contains("Ready to accept connections");
            is_ready || said.contains("Address already in use")
        });
        if is_ready {
            return Node { service, port, bus };
        }
        service.stop();
        let _ = std::fs::remove_file(folder.join("nodes.conf"));
    }
    panic!("no port is free");
}

#[test]
fn streams_and_values_are_spread_over_its_nodes() {
    let cluster = Cluster::start();
    let yaml = format!(
        "{}save: Hasher|Header|Redis|Stream\nvalidate: []\nstream: {{partitions: 12, take_over_after: 2s}}\n",
        cluster.section()
    );
    let house = House::new(&yaml);
    for number in 0..60 {
        let to = format!("user{number}@example.org");
        let mail = format!("Subject: {number}\r\n\r\nbody\r\n");
        let reply = house.client().deliver(SENDER, &[&to], mail.as_bytes());
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    let streams = cluster.keys("maiasaura:*:mail");
    assert!(streams.iter().all(|keys| !keys.is_empty()), "{streams:?}");
    let values = cluster.keys("????????????????????????????????????????????????????????????????");
    assert_eq!(values.iter().map(Vec::len).sum::<usize>(), 60);
    let working = worker(&house.folder, &yaml);
    eventually("all are delivered", || house.folder.mail_count() == 60);
    eventually("and removed", || {
        let empty = |number: usize| {
            let mut connection = cluster.connection(number);
            let mut lengths = streams[number].iter().map(|key| {
                cmd("XLEN")
                    .arg(key)
                    .query::<u64>(&mut connection)
                    .expect("a number")
            });
            lengths.all(|length| length == 0)
        };
        (0..3).all(empty)
    });
    working.shutdown();
}

/// A node that is away is an outage for its partitions, and for no others: their mail is taken, and
/// workers deliver it, whether they were there before or not.
#[test]
fn a_node_that_dies_defers_its_own_mail_only() {
    let mut cluster = Cluster::start();
    let yaml = format!(
        "{}save: Hasher|Header|Stream\nvalidate: []\nstream: {{partitions: 12, take_over_after: 2s}}\n",
        cluster
            .section()
            .replace("durable: true", "durable: true, timeout: 1s")
    );
    let house = House::new(&yaml);
    let deliver = |user: usize| {
        let mail = format!("Subject: {user}\r\n\r\nbody\r\n");
        let client = &mut house.client();
        client.deliver(SENDER, &[&mailbox(user)], mail.as_bytes())
    };
    let (lost, well): (Vec<_>, Vec<_>) = (0..30).partition(|user| cluster.home(*user) == 2);
    assert!(!lost.is_empty() && well.len() > 10, "{lost:?} {well:?}");
    assert!(deliver(well[0]).starts_with("250 "));
    let before = worker(&house.folder, &yaml);
    eventually("it is delivered", || house.folder.mail_count() == 1);
    let node = &mut cluster.nodes[2].service;
    node.signal(Signal::KILL);
    node.end();
    for round in 0..2 {
        for user in &lost {
            let reply = deliver(*user);
            assert!(reply.starts_with("451 4.3.0 "), "{round}: {user}: {reply}");
        }
        for user in &well[1..] {
            let reply = deliver(*user);
            assert!(reply.starts_with("250 "), "{round}: {user}: {reply}");
        }
    }
    eventually("all others are delivered", || {
        house.folder.mail_count() == well.len()
    });
    before.shutdown();
    let more: Vec<_> = (200..230).filter(|user| cluster.home(*user) != 2).collect();
    let count = house.folder.mail_count() + more.len();
    for user in &more {
        let reply = deliver(*user);
        assert!(reply.starts_with("250 "), "{user}: {reply}");
    }
    let after = worker(&house.folder, &yaml);
    eventually("a worker that starts now delivers them", || {
        house.folder.mail_count() == count
    });
    after.shutdown();
}

/// Nor is one that hangs; and when it answers again it is found by itself.
#[test]
fn a_node_that_hangs_is_left_alone_until_it_answers() {
    let cluster = Cluster::start();
    let keys = "durable: true, timeout: 1s, connect_timeout: 1s";
    let house = House::new(&format!(
        "{}save: Hasher|Header|Stream\nvalidate: []\nstream: {{partitions: 12}}\n",
        cluster.section().replace("durable: true", keys)
    ));
    let deliver = |user: usize| {
        let mail = format!("Subject: {user}\r\n\r\nbody\r\n");
        let client = &mut house.client();
        client.deliver(SENDER, &[&mailbox(user)], mail.as_bytes())
    };
    let redis = || {
        let states = house.running().health().states();
        let redis = states.into_iter().find(|(name, _)| &**name == "redis");
        redis.expect("it is on the board").1
    };
    let (lost, well): (Vec<_>, Vec<_>) = (0..30).partition(|user| cluster.home(*user) == 2);
    assert!(deliver(lost[0]).starts_with("250 "));
    cluster.nodes[2].service.signal(Signal::STOP);
    for user in &well {
        let late = deliver(lost[0]);
        assert!(late.starts_with("451 4.3.0 "), "{late}");
        let reply = deliver(*user);
        assert!(reply.starts_with("250 "), "{user}: {reply}");
    }
    assert!(matches!(redis(), State::Hampered(_)), "{:?}", redis());
    cluster.nodes[2].service.signal(Signal::CONT);
    eventually("it is asked again", || deliver(lost[0]).starts_with("250 "));
    assert_eq!(redis(), State::Well);
}

/// What one command is refused is no business of the others in its pipeline.
#[test]
fn a_command_that_is_refused_spoils_no_other() {
    let cluster = Cluster::start();
    let endpoint = Endpoint::Tcp("127.0.0.1".into(), cluster.nodes[0].port);
    let settings = Settings {
        cluster: true,
        ..Settings::at(endpoint)
    };
    let client = Client::new(settings).expect("an address is given");
    let words = |words: &[&str]| {
        let mut command = command(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command
    };
    let answers = client.exchange(vec![
        words(&["SET", "{1}text", "a"]),
        words(&["SADD", "{2}set", "b"]),
        words(&["SADD", "{1}text", "b"]),
        words(&["SISMEMBER", "{2}set", "b"]),
        words(&["GET", "{1}text"]),
    ]);
    let answers = answers.expect("it is there");
    assert!(matches!(answers[2], Value::ServerError(_)), "{answers:?}");
    assert_eq!(answers[0], Value::Okay);
    assert_eq!(answers[3], Value::Int(1));
    assert_eq!(answers[4], Value::BulkString(b"a".to_vec()));
}

/// Slots that have moved are found where they are now.
#[test]
fn a_partition_that_moves_is_followed() {
    let cluster = Cluster::start();
    let house = House::new(&format!(
        "{}save: Hasher|Header|Stream\nvalidate: []\nstream: {{partitions: 1}}\n",
        cluster.section()
    ));
    let deliver = |subject: &str| {
        let mail = format!("Subject: {subject}\r\n\r\nbody\r\n");
        let reply = house
            .client()
            .deliver(SENDER, &[&mailbox(0)], mail.as_bytes());
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    };
    deliver("one");
    let slot = cluster.slot("maiasaura:{0}:mail");
    let from = Cluster::node(slot);
    let id = |number: usize| -> String {
        let mut connection = cluster.connection(number);
        let id = cmd("CLUSTER").arg("MYID").query(&mut connection);
        id.expect("a name")
    };
    let to = (from + 1) % 3;
    cmd("FLUSHALL")
        .exec(&mut cluster.connection(from))
        .expect("nothing is there");
    for number in [to, from, 3 - to - from] {
        let mut set = cmd("CLUSTER");
        set.arg("SETSLOT").arg(slot).arg("NODE").arg(id(to));
        set.exec(&mut cluster.connection(number)).expect("it moves");
    }
    deliver("two");
    assert_eq!(cluster.keys("maiasaura:*:mail")[to].len(), 1);
}

fn mailbox(user: usize) -> String {
    format!("user{user}@example.org")
}

/// The mark and the stream that it is about are on one node, and so is what compares them.
#[test]
fn one_inherits_what_the_dead_have_marked() {
    let cluster = Cluster::start();
    let more = "save: Hasher|Header|Stream\nvalidate: []\nstream: {partitions: 12}\n";
    let house = House::new(&format!("{}{more}", cluster.section()));
    let address = |node: &Node| Endpoint::Tcp("127.0.0.1".into(), node.port);
    let settings = Settings {
        endpoints: cluster.nodes.iter().map(address).collect(),
        cluster: true,
        ..Settings::at(address(&cluster.nodes[0]))
    };
    one_inherits(&settings, &house, 12);
}
