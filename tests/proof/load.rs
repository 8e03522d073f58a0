//! Clients that send without pause, and write down what they were promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{Client, Protocol, Reply};
use crate::letter::Letter;
use crate::program::wait_for;
use crate::server::Server;

/// The reply that one recipient of a letter got, written down at the moment it was read.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What was sent.
    pub letter: Letter,
    /// To whom.
    pub user: String,
    /// What was answered.
    pub reply: Reply,
    /// When it was read.
    pub at: Instant,
}

impl Receipt {
    /// For people: what was sent to whom, and the reply that came when.
    pub fn describe(&self, fault: Instant) -> String {
        let (token, user, reply) = (self.letter.token(), &self.user, &self.reply.0);
        let after = self.at.checked_duration_since(fault);
        let when = after.map_or("before the fault".to_string(), |after| {
            format!("{after:?} after the fault began")
        });
        format!("{token} for {user}: {reply} ({when})")
    }
}

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<Receipt>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    promised: AtomicUsize,
    refused: AtomicUsize,
}

impl Load {
    /// Starts clients, every fourth of which speaks LMTP. `name` is in every token, and must be
    /// another one each time.
    pub fn start(server: &Server, name: &str, clients: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |number: usize| {
            let protocol = if number % 4 == 3 {
                Protocol::Lmtp
            } else {
                Protocol::Smtp
            };
            let (port, shared) = (server.port(protocol), Arc::clone(&shared));
            let name = format!("{name}-{number}");
            thread::spawn(move || work(port, protocol, &name, &shared))
        };
        Self {
            clients: (0..clients).map(client).collect(),
            shared,
        }
    }

    /// Waits until that many copies were promised.
    pub fn wait_for(&self, promised: usize) {
        wait_for("mail is promised", || {
            self.shared.promised.load(Ordering::Relaxed) >= promised
        });
    }

    /// Waits for the next promise, and returns at the same moment.
    pub fn wait_for_the_next(&self) {
        let promised = || self.shared.promised.load(Ordering::Acquire);
        let (before, begun) = (promised(), Instant::now());
        while promised() == before && begun.elapsed() < Duration::from_secs(5) {
            thread::yield_now();
        }
    }

    /// Waits until that many copies were refused.
    pub fn wait_for_refusals(&self, refused: usize) {
        wait_for("mail is refused", || {
            self.shared.refused.load(Ordering::Relaxed) >= refused
        });
    }

    /// Lets the clients finish, and gives what they wrote down.
    pub fn finish(self) -> Vec<Receipt> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let finished = self.clients.into_iter().map(JoinHandle::join);
        finished
            .flat_map(|receipts| receipts.expect("a client finishes"))
            .collect()
    }
}

/// Sends until it is time to stop or the receiver is gone.
fn work(port: u16, protocol: Protocol, name: &str, shared: &Shared) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let Ok(mut client) = Client::connect(port, protocol) else {
        return receipts;
    };
    for number in 0.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let letter = Letter::new(format!("{name}-{number}"));
        let users = recipients(name, number);
        let Ok(replies) = client.send(&letter, &users) else {
            break;
        };
        let at = Instant::now();
        for (user, reply) in users.into_iter().zip(replies) {
            let count = if reply.is_ok() {
                &shared.promised
            } else {
                &shared.refused
            };
            count.fetch_add(1, Ordering::Release);
            receipts.push(Receipt {
                letter: letter.clone(),
                user,
                reply,
                at,
            });
        }
    }
    receipts
}

/// Mailboxes of all clients, of one client, and new ones; one recipient, and several.
fn recipients(name: &str, number: usize) -> Vec<String> {
    let common = |number: usize| format!("all{}", number % 7);
    match number % 6 {
        0 | 3 => vec![common(number)],
        1 => vec![format!("new-{name}-{number}")],
        2 => vec![common(number), common(number + 1), common(number + 2)],
        4 => vec![format!("own-{name}")],
        _ => {
            let mut many: Vec<String> = (0..5).map(common).collect();
            many.extend([1, 2].map(|other| format!("new-{name}-{number}-{other}")));
            many
        }
    }
}
