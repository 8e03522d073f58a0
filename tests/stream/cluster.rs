//! A Redis Cluster of three: keys and partitions go where it places them.

use std::process::Command;

use redis::{Connection, cmd};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::house::{House, eventually};
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
             appendonly yes\nappendfsync always\ncluster-node-timeout 5000\n",
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

/// A node that is away is an outage for its partitions.
#[test]
fn a_node_that_dies_defers_mail() {
    let mut cluster = Cluster::start();
    let yaml = format!(
        "{}save: Hasher|Header|Stream\nvalidate: []\nstream: {{partitions: 12}}\n",
        cluster
            .section()
            .replace("durable: true", "durable: true, timeout: 1s")
    );
    let house = House::new(&yaml);
    let deliver = |number: usize| {
        let to = format!("user{number}@example.org");
        let mail = format!("Subject: {number}\r\n\r\nbody\r\n");
        house.client().deliver(SENDER, &[&to], mail.as_bytes())
    };
    assert!(deliver(0).starts_with("250 "));
    let node = &mut cluster.nodes[2].service;
    node.signal(Signal::KILL);
    node.end();
    let replies: Vec<String> = (1..30).map(deliver).collect();
    assert!(
        replies.iter().any(|reply| reply.starts_with("451 4.3.0 ")),
        "{replies:?}"
    );
    let is_fine = |reply: &String| reply.starts_with("451 4.3.0 ") || reply.starts_with("250 ");
    assert!(replies.iter().all(is_fine), "{replies:?}");
}
