mod crash;
mod damage;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::form::Name;
use super::*;
use crate::maildir::Stream;

/// A folder of bundles, and what the messages in them are.
struct Nest {
    folder: TempDir,
    bundles: Arc<Bundles>,
}

impl Nest {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bundles = Arc::new(Bundles::new(folder.path()));
        Self { folder, bundles }
    }

    fn pack(&self, text: &[u8]) -> Packed {
        let message = Message {
            parts: &[&text[..text.len() / 2], &text[text.len() / 2..]],
            stream: None,
            crlf_size: 0,
        };
        self.bundles
            .pack(&message, Some(Flush::File))
            .unwrap()
            .unwrap()
    }

    /// Writes all of them at once.
    fn append(&self, texts: &[&[u8]]) -> Vec<Packed> {
        let mut packed: Vec<_> = texts.iter().map(|text| self.pack(text)).collect();
        for written in self.write(&mut packed) {
            written.finish().unwrap();
            written.show().unwrap();
            written.close();
        }
        packed
    }

    fn write(&self, packed: &mut [Packed]) -> Vec<Written> {
        let mut refs: Vec<_> = packed.iter_mut().collect();
        self.bundles.write(&mut refs).unwrap()
    }

    /// The only bundle.
    #[track_caller]
    fn bundle(&self) -> String {
        let mut all = self.bundles.all().unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.bundle())
    }

    fn names(&self) -> Vec<String> {
        let all = self.bundles.all().unwrap();
        let mut names: Vec<String> = all
            .iter()
            .flat_map(|bundle| self.bundles.look(bundle, 0).unwrap().names)
            .collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> io::Result<Vec<u8>> {
        let (file, start, octets) = self.bundles.open(name)?;
        let mut text = vec![0; usize::try_from(octets).unwrap()];
        file.read_exact_at(&mut text, start)?;
        Ok(text)
    }

    fn texts(&self) -> Vec<Vec<u8>> {
        self.names()
            .iter()
            .map(|name| self.text(name).unwrap())
            .collect()
    }

    /// Takes all there is.
    fn empty(&self) {
        for name in self.names() {
            self.bundles.done(&name).unwrap();
        }
        for bundle in self.bundles.all().unwrap() {
            self.bundles.discard(&bundle).unwrap();
        }
    }

    /// A process that was killed: nothing is written to its bundles any more.
    fn restart(&mut self) {
        self.bundles = Arc::new(Bundles::new(self.folder.path()));
    }
}

#[test]
fn messages_are_found_as_they_were_written() {
    let nest = Nest::new();
    let large = vec![b'x'; 20_000];
    let batches: [&[&[u8]]; 3] = [&[b"one"], &[b"", &large, b"three"], &[&large[..4048]]];
    let mut seen = 0;
    for batch in batches {
        nest.append(batch);
        let look = nest.bundles.look(&nest.bundle(), seen).unwrap();
        let texts: Vec<_> = look
            .names
            .iter()
            .map(|name| nest.text(name).unwrap())
            .collect();
        assert_eq!(texts, batch);
        assert_eq!(fs::metadata(nest.path()).unwrap().len() % 4096, 0);
        seen = look.end;
    }
    assert_eq!(nest.texts(), batches.concat());
    assert!(
        nest.names()
            .iter()
            .all(|name| bundle_of(name) == Some(&nest.bundle()))
    );
    let mode = fs::metadata(nest.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn names_tell_place_and_time() {
    let name = Name {
        time: 1_700_000_000_000_042,
        number: 7,
        at: 0x1030,
        bundle: "1.M2P3Q4R5",
    };
    let text = name.to_string();
    assert_eq!(text, "1700000000.M000042:007.0001030:1.M2P3Q4R5");
    assert_eq!(Name::parse(&text), Some(name));
    for other in [
        "",
        "1.M2",
        "1.M2P3Q4R5.host,S=1,W=1",
        "1.M2:x.1:b",
        "1.M2:1.1",
        "garbage:1.1:b",
    ] {
        assert_eq!(bundle_of(other), None, "{other}");
    }
}

#[test]
fn what_is_done_is_gone_and_the_last_takes_the_bundle_along() {
    let nest = Nest::new();
    nest.append(&[b"one", b"two"]);
    let names = nest.names();
    nest.bundles.done(&names[0]).unwrap();
    assert_eq!(nest.texts(), [b"two"]);
    assert_eq!(
        nest.text(&names[0]).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert!(!nest.bundles.discard(&nest.bundle()).unwrap());
    nest.bundles.done(&names[1]).unwrap();
    let bundle = nest.bundle();
    assert!(nest.bundles.discard(&bundle).unwrap());
    assert!(nest.bundles.discard(&bundle).unwrap(), "it was gone before");
    nest.bundles.done(&names[1]).unwrap();
    // What comes now goes into another one.
    nest.append(&[b"three"]);
    assert_ne!(nest.bundle(), bundle);
    assert_eq!(nest.texts(), [b"three"]);
}

/// Whoever removes bundles all the time takes none that something is written into.
#[test]
fn nothing_is_written_into_a_bundle_that_goes() {
    const MESSAGES: usize = 300;
    let nest = Nest::new();
    let (bundles, is_over) = (&nest.bundles, AtomicBool::new(false));
    let mut texts = std::thread::scope(|scope| {
        let takes = scope.spawn(|| {
            let mut texts = Vec::new();
            loop {
                let was_over = is_over.load(Ordering::SeqCst);
                for name in nest.names() {
                    texts.push(nest.text(&name).unwrap());
                    bundles.done(&name).unwrap();
                }
                for bundle in bundles.all().unwrap() {
                    bundles.discard(&bundle).unwrap();
                }
                if was_over {
                    return texts;
                }
            }
        });
        let write = |thread: usize| {
            for number in 0..MESSAGES {
                nest.append(&[format!("{thread}-{number}").as_bytes()]);
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..3 {
                scope.spawn(move || write(thread));
            }
        });
        is_over.store(true, Ordering::SeqCst);
        takes.join().unwrap()
    });
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 3 * MESSAGES);
    assert!(bundles.all().unwrap().is_empty());
}

#[test]
fn a_message_that_is_struck_out_is_not_there() {
    let nest = Nest::new();
    let mut packed = nest.append(&[b"one", b"two"]);
    assert!(packed[0].strike().unwrap());
    assert!(!packed[0].strike().unwrap());
    assert_eq!(nest.texts(), [b"two"]);
    assert!(!nest.pack(b"not written").strike().unwrap());
}

/// Nobody sees a message before it is promised; unless it never will be, and then it may be one whose
/// mark is lost.
#[test]
fn what_is_written_is_seen_when_it_is_shown() {
    let nest = Nest::new();
    nest.append(&[b"before"]);
    let mut packed = [nest.pack(b"one"), nest.pack(b"two"), nest.pack(b"three")];
    let mut written = nest.write(&mut packed).remove(0);
    let look = nest.bundles.look(&nest.bundle(), 0).unwrap();
    assert_eq!(look.names.len(), 1);
    assert!(!nest.bundles.discard(&nest.bundle()).unwrap());
    assert!(packed.iter().all(|packed| written.has(packed)));
    written.strike(&packed[1]);
    written.finish().unwrap();
    written.show().unwrap();
    // Who looks on sees what comes then.
    let look = nest.bundles.look(&nest.bundle(), look.end).unwrap();
    assert_eq!(look.names.len(), 2);
    written.close();
    assert_eq!(nest.texts(), [&b"before"[..], b"one", b"three"]);
    let mut packed = [nest.pack(b"given up")];
    drop(nest.write(&mut packed));
    assert_eq!(nest.names().len(), 3);
    // A crash, before or after the promise.
    let mut packed = [nest.pack(b"four")];
    let left = nest.write(&mut packed).remove(0).bundle.take().unwrap();
    assert_eq!(nest.names().len(), 3);
    flock(&*left.file, FlockOperation::Unlock).unwrap();
    assert_eq!(nest.texts().last().unwrap(), b"four");
    nest.append(&[b"five"]);
    assert_eq!(nest.bundles.all().unwrap().len(), 3, "two were given up");
}

#[test]
fn a_bundle_does_not_grow_without_end() {
    let nest = Nest::new();
    let small = vec![&b"x"[..]; 5000];
    nest.append(&small);
    assert_eq!(nest.bundles.all().unwrap().len(), 2, "there are 4032 marks");
    assert_eq!(nest.names().len(), 5000);
    let nest = Nest::new();
    let large = vec![b'x'; 60_000];
    for _ in 0..8 {
        nest.append(&[&large[..]; 10]);
    }
    assert_eq!(nest.bundles.all().unwrap().len(), 2, "4.6 MiB");
    assert_eq!(nest.names().len(), 80);
}

#[derive(Debug)]
struct Streamed;

impl Stream for Streamed {
    fn octets(&self) -> u64 {
        1
    }

    fn each(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        take(b"x")
    }
}

#[test]
fn what_is_large_gets_a_file_of_its_own() {
    let nest = Nest::new();
    let text = vec![b'x'; 64 << 10];
    let pack = |parts: &[&[u8]], stream: Option<&dyn Stream>| {
        let message = Message {
            parts,
            stream,
            crlf_size: 0,
        };
        nest.bundles.pack(&message, None).unwrap()
    };
    assert!(pack(&[&text, b"x"], None).is_none());
    assert!(pack(&[b"x"], Some(&Streamed)).is_none());
    // All that is held at a time has a bound.
    let held: Vec<_> = std::iter::from_fn(|| pack(&[&text], None)).collect();
    assert_eq!(held.len(), 256);
    drop(held);
    assert!(pack(&[&text], None).is_some());
}

#[test]
fn a_folder_that_is_missing_is_told_before_anything_is_promised() {
    let folder = tempfile::tempdir().unwrap();
    let bundles = Arc::new(Bundles::new(&folder.path().join("missing")));
    assert_eq!(bundles.all().unwrap(), [""; 0]);
    let message = Message {
        parts: &[b"x"],
        stream: None,
        crlf_size: 0,
    };
    let error = bundles.pack(&message, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn the_space_of_what_is_done_can_be_had_back() {
    use std::os::unix::fs::MetadataExt as _;
    let nest = Nest::new();
    let large = vec![b'x'; 60_000];
    nest.append(&[&large, b"stays", &large, b"stays, too", &large]);
    let before = fs::metadata(nest.path()).unwrap().blocks();
    for name in nest.names() {
        if nest.text(&name).unwrap() == large {
            nest.bundles.done(&name).unwrap();
        }
    }
    nest.bundles.reclaim(&nest.bundle()).unwrap();
    assert_eq!(nest.texts(), [&b"stays"[..], b"stays, too"]);
    let after = fs::metadata(nest.path()).unwrap().blocks();
    assert!(after < before / 2, "{before} blocks, now {after}");
    nest.append(&[b"more"]);
    assert_eq!(nest.names().len(), 3);
}
