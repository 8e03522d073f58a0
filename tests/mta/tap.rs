//! Listens in between an MTA and the receiver: it passes on what either says, and keeps it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::mta::{Way, open_to_all};

/// What was said in one connection: pieces as they were read.
#[derive(Clone, Default, Debug)]
pub struct Talk {
    pub mta: Vec<Vec<u8>>,
    pub receiver: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Kept {
    talks: Vec<Talk>,
    open: usize,
    peak: usize,
}

/// A tap; it lasts as long as the test.
pub struct Tap {
    pub way: Way,
    kept: Arc<Mutex<Kept>>,
}

impl Tap {
    /// A tap at a Unix socket before the Unix socket `receiver`.
    pub fn unix(path: PathBuf, receiver: &Path) -> Self {
        let listener = UnixListener::bind(&path).expect("a socket");
        open_to_all(&path);
        let (kept, receiver) = (Arc::<Mutex<Kept>>::default(), receiver.to_owned());
        let all = Arc::clone(&kept);
        thread::spawn(move || {
            for mta in listener.incoming().map_while(Result::ok) {
                if let Ok(receiver) = UnixStream::connect(&receiver) {
                    let split = |stream: &UnixStream| stream.try_clone().expect("the same socket");
                    let ends = [split(&mta), split(&receiver)];
                    let close = |end: &UnixStream| drop(end.shutdown(Shutdown::Write));
                    listen_in(&all, (mta, receiver), ends, close);
                }
            }
        });
        let way = Way::Unix(path);
        Self { way, kept }
    }

    /// A tap at a port before the port `receiver`.
    pub fn inet(receiver: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let way = Way::Inet(listener.local_addr().expect("its address").port());
        let kept = Arc::<Mutex<Kept>>::default();
        let all = Arc::clone(&kept);
        thread::spawn(move || {
            for mta in listener.incoming().map_while(Result::ok) {
                if let Ok(receiver) = TcpStream::connect(("127.0.0.1", receiver)) {
                    let split = |stream: &TcpStream| stream.try_clone().expect("the same socket");
                    let ends = [split(&mta), split(&receiver)];
                    let close = |end: &TcpStream| drop(end.shutdown(Shutdown::Write));
                    listen_in(&all, (mta, receiver), ends, close);
                }
            }
        });
        Self { way, kept }
    }

    /// All that was said until now.
    pub fn talks(&self) -> Vec<Talk> {
        self.kept
            .lock()
            .expect("nobody panics with it")
            .talks
            .clone()
    }

    /// The most connections that were open at the same time.
    pub fn peak(&self) -> usize {
        self.kept.lock().expect("nobody panics with it").peak
    }
}

impl Talk {
    pub fn mta_said(&self) -> String {
        String::from_utf8_lossy(&self.mta.concat()).into_owned()
    }
}

/// Passes on both ways, in two threads.
fn listen_in<S: Read + Write + Send + 'static>(
    kept: &Arc<Mutex<Kept>>,
    (mut mta, mut receiver): (S, S),
    [mut to_mta, mut to_receiver]: [S; 2],
    close: impl Fn(&S) + Copy + Send + 'static,
) {
    let number = {
        let mut kept = kept.lock().expect("nobody panics with it");
        kept.open += 1;
        kept.peak = kept.peak.max(kept.open);
        kept.talks.push(Talk::default());
        kept.talks.len() - 1
    };
    let (asked, answered) = (Arc::clone(kept), Arc::clone(kept));
    thread::spawn(move || {
        pass(&mut mta, &mut to_receiver, |piece| {
            let mut kept = asked.lock().expect("nobody panics with it");
            kept.talks[number].mta.push(piece);
        });
        close(&to_receiver);
    });
    thread::spawn(move || {
        pass(&mut receiver, &mut to_mta, |piece| {
            let mut kept = answered.lock().expect("nobody panics with it");
            kept.talks[number].receiver.push(piece);
        });
        close(&to_mta);
        answered.lock().expect("nobody panics with it").open -= 1;
    });
}

fn pass(from: &mut impl Read, to: &mut impl Write, keep: impl Fn(Vec<u8>)) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        keep(piece[..length].to_vec());
        if to.write_all(&piece[..length]).is_err() {
            return;
        }
    }
}
