//! An application behind FastCGI: as much of a server as PHP-FPM would be, written from the
//! specification, and able to do all that PHP-FPM should not.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::client::Stream;

pub const END_REQUEST: u8 = 3;
pub const STDOUT: u8 = 6;
pub const STDERR: u8 = 7;
const BEGIN_REQUEST: u8 = 1;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub parameters: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What it does with a connection.
type Act = dyn Fn(&mut Stream, &Requests) + Send + Sync;
pub type Requests = Arc<Mutex<Vec<Request>>>;

/// An application that listens until the test ends.
pub struct Application {
    act: Arc<Mutex<Arc<Act>>>,
    requests: Requests,
    /// How often it was not spoken to as it should be.
    faults: Arc<AtomicUsize>,
}

impl Drop for Application {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(self.faults.load(Ordering::SeqCst), 0, "see above");
        }
    }
}

impl Application {
    /// Listens on a Unix socket.
    pub fn unix(path: &Path, act: impl Fn(&mut Stream, &Requests) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("the folder is ours");
        let incoming = move || Some(Stream::Unix(listener.accept().ok()?.0));
        Self::new(incoming, act)
    }

    /// Listens on a port, which it returns.
    pub fn tcp(act: impl Fn(&mut Stream, &Requests) + Send + Sync + 'static) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let incoming = move || Some(Stream::Tcp(listener.accept().ok()?.0));
        (Self::new(incoming, act), port)
    }

    fn new(
        incoming: impl Fn() -> Option<Stream> + Send + 'static,
        act: impl Fn(&mut Stream, &Requests) + Send + Sync + 'static,
    ) -> Self {
        let act: Arc<Act> = Arc::new(act);
        let application = Self {
            act: Arc::new(Mutex::new(act)),
            requests: Requests::default(),
            faults: Arc::default(),
        };
        let faults = Arc::clone(&application.faults);
        let (act, requests) = (
            Arc::clone(&application.act),
            Arc::clone(&application.requests),
        );
        thread::spawn(move || {
            while let Some(mut stream) = incoming() {
                let act = Arc::clone(&act.lock().expect("nobody panics with it"));
                let (requests, faults) = (Arc::clone(&requests), Arc::clone(&faults));
                thread::spawn(move || {
                    let outcome = catch_unwind(AssertUnwindSafe(|| act(&mut stream, &requests)));
                    faults.fetch_add(usize::from(outcome.is_err()), Ordering::SeqCst);
                });
            }
        });
        application
    }

    /// Does something else from now on.
    pub fn change(&self, act: impl Fn(&mut Stream, &Requests) + Send + Sync + 'static) {
        *self.act.lock().expect("nobody panics with it") = Arc::new(act);
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("nobody panics with it").clone()
    }
}

/// Reads a request, keeps it, and answers with these records.
pub fn answers(
    records: impl Into<Vec<u8>>,
) -> impl Fn(&mut Stream, &Requests) + Send + Sync + 'static {
    let records = records.into();
    move |stream, requests| {
        let Some(request) = read(stream) else { return };
        let mut all = requests.lock().expect("nobody panics with it");
        all.push(request);
        drop(all);
        let _ = stream.write_all(&records);
    }
}

/// The records of a proper answer.
pub fn says(stdout: &str) -> Vec<u8> {
    let stdout = stdout.replace('\n', "\r\n");
    [record(STDOUT, stdout.as_bytes()), end(0, 0)].concat()
}

/// END_REQUEST.
pub fn end(application: u32, protocol: u8) -> Vec<u8> {
    let [a, b, c, d] = application.to_be_bytes();
    record(END_REQUEST, &[a, b, c, d, protocol, 0, 0, 0])
}

/// One record of request 1, with padding.
pub fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("it fits").to_be_bytes();
    let mut record = vec![1, kind, 0, 1, length[0], length[1], 3, 0];
    record.extend_from_slice(content);
    record.extend([0; 3]);
    record
}

/// Reads a request to its end, strictly; nothing where it breaks off.
pub fn read(stream: &mut Stream) -> Option<Request> {
    let mut parameters = Vec::new();
    let mut request = Request::default();
    let (kind, begin) = next(stream)?;
    // A responder, and the connection is closed afterwards.
    assert_eq!((kind, &begin[..3]), (BEGIN_REQUEST, &[0, 1, 0][..]));
    loop {
        let (kind, content) = next(stream)?;
        match kind {
            PARAMS if content.is_empty() => request.parameters = pairs(&parameters),
            PARAMS => {
                // PHP wants pairs that lie in one record.
                assert!(parameters.is_empty(), "parameters in several records");
                parameters = content;
            }
            STDIN if content.is_empty() => {
                let length = &request.parameters["CONTENT_LENGTH"];
                assert_eq!(*length, request.body.len().to_string());
                return Some(request);
            }
            STDIN => request.body.extend(content),
            kind => panic!("a record of type {kind}"),
        }
    }
}

fn next(stream: &mut Stream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).ok()?;
    assert_eq!((header[0], header[2], header[3]), (1, 0, 1), "{header:?}");
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let mut content = vec![0; length + usize::from(header[6])];
    stream.read_exact(&mut content).ok()?;
    content.truncate(length);
    Some((header[1], content))
}

fn pairs(mut octets: &[u8]) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    while !octets.is_empty() {
        let (name, value) = (length(&mut octets), length(&mut octets));
        let (pair, rest) = octets.split_at(name + value);
        let (name, value) = pair.split_at(name);
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("it is UTF-8");
        let before = pairs.insert(text(name), text(value));
        assert_eq!(before, None, "a name is there twice");
        octets = rest;
    }
    pairs
}

fn length(octets: &mut &[u8]) -> usize {
    let (length, rest) = match octets[0] {
        short @ ..128 => (u32::from(short), 1),
        long => {
            let long = [long & 127, octets[1], octets[2], octets[3]];
            (u32::from_be_bytes(long), 4)
        }
    };
    *octets = &octets[rest..];
    usize::try_from(length).expect("it fits")
}

/// Says no more, and listens until the other side goes.
pub fn hush(stream: &mut Stream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

/// Closes the sending side.
pub fn close(stream: &Stream) {
    let _ = match stream {
        Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
        Stream::Tls(_) | Stream::Nothing => Ok(()),
        Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
    };
}
