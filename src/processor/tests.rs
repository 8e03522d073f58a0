//! The processors together, against real Maildirs.

mod spooled;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use flate2::read::ZlibDecoder;
use tempfile::TempDir;

use super::*;
use crate::content::Content;
use crate::disks::Disks;
use crate::envelope::{Destination, Envelope, Mail, Transmission};
use crate::maildir::{Location, Settings, Store};
use crate::smtp::address::{ForwardPath, Mailbox};
use crate::smtp::reply;

struct World {
    root: TempDir,
    maildir: MailDir,
}

impl World {
    fn new() -> Self {
        Self::with(LineEnds::Lf)
    }

    fn with(line_ends: LineEnds) -> Self {
        let store = Arc::new(Store::new(Settings::default()));
        let root = tempfile::tempdir().unwrap();
        let disks = Arc::new(Disks::new(&[root.path().into()], 1, 0));
        Self {
            root,
            maildir: MailDir::new(store, disks, line_ends, 2),
        }
    }

    fn destination(&self, address: &str, create: bool) -> Destination {
        Destination {
            mailbox: Mailbox::parse(address).unwrap(),
            location: Location {
                root: self.root.path().into(),
                components: vec![address.split('@').next().unwrap().to_lowercase()],
                folder: None,
                owner: None,
                create,
                quota: None,
            },
            captures: BTreeMap::new(),
            otherwise: None,
        }
    }

    fn recipient(&self, address: &str) -> Recipient {
        recipient(address, vec![self.destination(address, true)])
    }

    /// Stages, and commits if that went well.
    fn deliver(&self, delivery: &mut Delivery) -> Result<(), Failure> {
        match smol::block_on(self.maildir.stage(delivery))? {
            Staged::Done => Ok(()),
            Staged::Until(mut commit) => smol::block_on(commit.commit()),
        }
    }

    fn validate(&self, recipient: &Recipient) -> Result<(), Failure> {
        let sender = Sender {
            client: &Client::default(),
            reverse_path: &ReversePath::Null,
        };
        smol::block_on(self.maildir.validate(recipient, sender))
    }

    /// The messages in a folder.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.path().join(folder))
            .into_iter()
            .flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn only(&self, folder: &str) -> String {
        let files = self.files(folder);
        assert_eq!(files.len(), 1, "{folder}: {files:?}");
        String::from_utf8(fs::read(&files[0]).unwrap()).unwrap()
    }
}

fn recipient(address: &str, destinations: Vec<Destination>) -> Recipient {
    Recipient {
        forward_path: ForwardPath::parse(&format!("<{address}>")).unwrap().0,
        destinations,
    }
}

fn delivery(recipients: Vec<Recipient>, content: &str) -> Delivery {
    delivery_of(recipients, content.as_bytes().to_vec().into())
}

fn delivery_of(recipients: Vec<Recipient>, content: Content) -> Delivery {
    let all = 0..recipients.len();
    let envelope = Envelope {
        id: "id".into(),
        received: SystemTime::now(),
        host: "mx".into(),
        client: Client::default(),
        transmission: Transmission::Local,
        reverse_path: ReversePath::Null,
        recipients,
        binary: false,
    };
    Delivery::new(Arc::new(Mail::new(envelope, content)), all)
}

fn stage(processor: &dyn Processor, delivery: &mut Delivery) {
    assert!(matches!(
        smol::block_on(processor.stage(delivery)),
        Ok(Staged::Done)
    ));
}

#[test]
fn a_copy_for_each_mailbox_and_one_for_whoever_is_named_twice() {
    let world = World::new();
    let names = ["bob@x.test", "alice@x.test", "Bob@x.test"];
    let mut delivery = delivery(
        names.map(|name| world.recipient(name)).into(),
        "Subject: t\r\n\r\na\r\n",
    );
    stage(&Header::new(100), &mut delivery);
    assert_eq!(world.deliver(&mut delivery), Ok(()));
    assert!(
        world
            .only("bob/new")
            .starts_with("Return-Path: <>\nDelivered-To: bob@x.test\nReceived: by mx")
    );
    assert!(world.only("alice/new").ends_with("\nSubject: t\n\na\n"));
    assert!(
        world
            .only("alice/new")
            .contains("\nDelivered-To: alice@x.test\n")
    );
}

#[test]
fn what_is_not_committed_leaves_nothing() {
    let world = World::new();
    let mut delivery = delivery(vec![world.recipient("bob@x.test")], "x\r\n");
    drop(smol::block_on(world.maildir.stage(&mut delivery)).ok());
    let Ok(Staged::Until(mut commit)) = smol::block_on(world.maildir.stage(&mut delivery)) else {
        panic!()
    };
    smol::block_on(commit.commit()).unwrap();
    assert_eq!(world.files("bob/new").len(), 1);
    smol::block_on(commit.abort());
    assert!(world.files("bob/new").is_empty() && world.files("bob/tmp").is_empty());
}

#[test]
fn one_bad_maildir_stops_all_copies() {
    let world = World::new();
    std::os::unix::fs::symlink("/tmp", world.root.path().join("eve")).unwrap();
    let both = vec![world.recipient("bob@x.test"), world.recipient("eve@x.test")];
    let failure = world.deliver(&mut delivery(both, "x\r\n")).unwrap_err();
    assert_eq!(failure.reply, reply::MAILBOX_UNAVAILABLE, "{failure}");
    assert!(failure.cause.unwrap().contains("eve"));
    assert!(world.files("bob/new").is_empty() && world.files("bob/tmp").is_empty());
}

#[test]
fn a_maildir_that_must_exist() {
    let world = World::new();
    let missing = world.destination("nobody@x.test", false);
    let to = |destination: Destination| recipient("nobody@x.test", vec![destination]);
    assert_eq!(
        world.validate(&to(missing.clone())).unwrap_err().reply,
        reply::USER_UNKNOWN
    );
    let failure = world
        .deliver(&mut delivery(vec![to(missing.clone())], "x\r\n"))
        .unwrap_err();
    assert_eq!(failure.reply, reply::USER_UNKNOWN);
    let instead = Box::new(world.destination("catchall@x.test", true));
    let caught = to(Destination {
        otherwise: Some(instead),
        ..missing
    });
    assert_eq!(world.validate(&caught), Ok(()));
    world.deliver(&mut delivery(vec![caught], "x\r\n")).unwrap();
    assert_eq!(world.only("catchall/new"), "x\n");
    assert!(!world.root.path().join("nobody").exists());
}

#[test]
fn folders_are_made_only_so_many() {
    let world = World::new();
    for detail in ["a", "b", "c", "a"] {
        let inbox = world.destination("bob@x.test", true);
        let mut folder = Destination {
            otherwise: Some(Box::new(inbox.clone())),
            ..inbox
        };
        folder.location.folder = Some(detail.into());
        world
            .deliver(&mut delivery(
                vec![recipient("bob@x.test", vec![folder])],
                "x\r\n",
            ))
            .unwrap();
    }
    let count = |folder: &str| world.files(&format!("bob/{folder}")).len();
    assert_eq!((count(".a/new"), count(".b/new"), count("new")), (2, 1, 1));
    assert!(!world.root.path().join("bob/.c").exists());
}

#[test]
fn binary_content_keeps_its_line_ends() {
    let world = World::new();
    let mut delivery = delivery(vec![world.recipient("bob@x.test")], "A: b\r\n\r\n\r\n\n\0");
    Arc::get_mut(&mut delivery.mail).unwrap().envelope.binary = true;
    stage(&Header::new(100), &mut delivery);
    world.deliver(&mut delivery).unwrap();
    let text = world.only("bob/new");
    assert!(
        text.starts_with("Return-Path: <>\r\n") && text.ends_with("\r\nA: b\r\n\r\n\r\n\n\0"),
        "{text:?}"
    );
}

#[test]
fn a_compressor_is_not_in_the_way() {
    let world = World::new();
    let mut delivery = delivery(
        vec![world.recipient("bob@x.test")],
        "Subject: t\r\n\r\nbody\r\n",
    );
    stage(&Header::new(100), &mut delivery);
    stage(&Compressor::default(), &mut delivery);
    world.deliver(&mut delivery).unwrap();
    let mut text = String::new();
    ZlibDecoder::new(delivery.compressed.unwrap().as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text.replace("\r\n", "\n"), world.only("bob/new"));
}

#[test]
fn headers_are_parsed_and_decoded() {
    let mut delivery = delivery(
        Vec::new(),
        "From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\nTo: a@x.test, b@x.test\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n\
         Message-ID: <1@x.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSubject: body\r\n",
    );
    stage(&HeadersParser::default(), &mut delivery);
    let expected = Headers {
        subject: Some("Gr\u{fc}\u{df}e".into()),
        from: Some("j@x.test".into()),
        to: Some("a@x.test".into()),
        reply_to: None,
        sender: None,
        message_id: Some("1@x.test".into()),
        content_type: Some("text/plain".into()),
    };
    assert_eq!(delivery.headers, Some(expected));
}

#[test]
fn a_header_that_is_none_is_no_reason_to_refuse() {
    for content in [
        "",
        "\r\n",
        "no header\r\n",
        " \r\n: x\r\n",
        "\u{0}\u{1}\r\n",
    ] {
        stage(
            &HeadersParser::default(),
            &mut delivery(Vec::new(), content),
        );
    }
}

/// Fields cost memory, so that a million of them are not looked at.
#[test]
fn only_the_beginning_of_a_header_is_parsed() {
    let read = |fields: usize| {
        let content = format!("{}Subject: t\r\n\r\nbody\r\n", "a:\r\n".repeat(fields));
        let mut delivery = delivery(Vec::new(), &content);
        stage(&HeadersParser::default(), &mut delivery);
        delivery.headers.unwrap_or_default().subject
    };
    assert_eq!(read(30_000), Some("t".into()));
    assert_eq!(read(40_000), None);
}

#[test]
fn digests_name_message_sender_and_recipient() {
    let digests = |names: &[&str], content: &str| {
        let recipients = names
            .iter()
            .map(|name| recipient(name, Vec::new()))
            .collect();
        let mut delivery = delivery(recipients, content);
        stage(&Hasher, &mut delivery);
        delivery.digests
    };
    let both = digests(&["bob@x.test", "alice@x.test"], "x\r\n");
    assert!(both[0] != both[1] && both.iter().all(|digest| digest.len() == 64));
    assert_eq!(
        digests(&["alice@x.test"], "x\r\n"),
        both[1..],
        "whoever else is named"
    );
    assert_ne!(digests(&["bob@x.test"], "y\r\n"), both[..1]);
}

#[test]
fn wildcard_has_a_list_of_its_own() {
    let hosts = crate::recipients::HostPatterns::new(&["*.ours.test".into()]).unwrap();
    let wildcard = Wildcard::new(hosts);
    let sender = Sender {
        client: &Client::default(),
        reverse_path: &ReversePath::Null,
    };
    let verdict = |address: &str| {
        let path = ForwardPath::parse(&format!("<{address}>")).unwrap().0;
        let recipient = Recipient {
            forward_path: path,
            destinations: Vec::new(),
        };
        smol::block_on(wildcard.validate(&recipient, sender)).map_err(|failure| failure.reply)
    };
    assert_eq!(verdict("a@B.Ours.test"), Ok(()));
    assert_eq!(verdict("postmaster"), Ok(()));
    assert_eq!(verdict("a@ours.test"), Err(reply::RELAYING_DENIED));
}
