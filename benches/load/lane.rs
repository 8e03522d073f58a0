//! One thread and its share of the connections: waits for events and moves each dialogue on.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};

use crate::connection::{Connection, Progress};
use crate::figures::microseconds;
use crate::work::Work;

/// What one thread has achieved.
#[derive(Default)]
pub struct Tally {
    /// The wait of every acknowledged message, in microseconds.
    pub waits: Vec<u32>,
    /// When the last message was acknowledged.
    pub last: Option<Instant>,
    /// The first failure, as the server or the system put it.
    pub first_error: Option<String>,
}

/// The connections of one thread, each in its slot; a connection that is over makes room for a new one.
struct Lane<'a> {
    work: &'a Work,
    poll: OwnedFd,
    slots: Vec<Option<Connection>>,
    tally: Tally,
}

/// Events taken from the kernel at a time.
const EVENTS: usize = 256;
/// How often a waiting thread looks whether the other ones have taken all that was left.
const GLANCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Sends messages over `connections` connections until none is left or `deadline` has come.
pub fn run(work: &Work, connections: usize, deadline: Instant) -> io::Result<Tally> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let slots = std::iter::repeat_with(|| None).take(connections).collect();
    let mut lane = Lane {
        work,
        poll,
        slots,
        tally: Tally::default(),
    };
    for slot in 0..connections {
        lane.open(slot);
    }
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
    while !lane.is_done() {
        if Instant::now() >= deadline {
            lane.note("the deadline came before all messages were acknowledged".to_owned());
            break;
        }
        match epoll::wait(
            &lane.poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&GLANCE),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            lane.handle(event);
        }
    }
    Ok(lane.tally)
}

impl Lane<'_> {
    /// Nothing is left to take and nothing under way. Connections that a busy server has not even
    /// greeted are given up without regret.
    fn is_done(&self) -> bool {
        self.work.is_taken() && !self.slots.iter().flatten().any(Connection::is_sending)
    }

    /// Opens a connection in `slot` while there is something to send. A failure costs one message, so that a server
    /// which cannot be reached ends the run.
    fn open(&mut self, slot: usize) {
        while !self.work.is_taken() {
            match Connection::open(self.work).and_then(|connection| self.watch(slot, connection)) {
                Ok(()) => return,
                Err(error) => self.fail(false, &error),
            }
        }
    }

    fn watch(&mut self, slot: usize, connection: Connection) -> io::Result<()> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(
            &self.poll,
            connection.socket(),
            EventData::new_u64(slot as u64),
            interest,
        )?;
        self.slots[slot] = Some(connection);
        Ok(())
    }

    /// Moves the connection of `event` on as far as it goes.
    fn handle(&mut self, event: Event) {
        let (flags, data) = (event.flags, event.data);
        let slot = usize::try_from(data.u64()).expect("a slot number was put in");
        let Some(connection) = self.slots[slot].as_mut() else {
            return;
        };
        let hung_up = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if hung_up || flags.contains(EventFlags::IN) {
            connection.set_readable(hung_up);
        }
        loop {
            match connection.advance(self.work) {
                Ok(Progress::Waiting) => return,
                Ok(Progress::Acknowledged(wait)) => {
                    self.tally.waits.push(microseconds(wait));
                    self.tally.last = Some(Instant::now());
                }
                Ok(Progress::Finished) => break,
                Err(error) => {
                    let sending = connection.is_sending();
                    self.fail(sending, &error);
                    break;
                }
            }
        }
        if let Some(connection) = self.slots[slot].take() {
            connection.end(self.work);
        }
        self.open(slot);
    }

    /// Notes a failure and gives up one message for it, unless the failed one had been taken already.
    fn fail(&mut self, taken: bool, error: &io::Error) {
        if taken || self.work.take().is_some() {
            self.note(error.to_string());
        }
    }

    fn note(&mut self, error: String) {
        self.tally.first_error.get_or_insert(error);
    }
}
