//! One Redis, and all who use it.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::redis::{Cmd, Value};

use super::link::Link;
use super::pulse::{Leave, Pulse};
use super::{Facts, Fault, Settings};
use crate::group::Group;
use crate::health::Part;
use crate::locks::lock;

/// Octets of one pipeline, unless a single command is larger.
const BATCH: usize = 4 << 20;
/// Commands of one pipeline, unless one who asks has more.
const COMMANDS: usize = 1000;
/// After so long Redis is slow.
const SLOW: Duration = Duration::from_secs(1);

/// One Redis, or one Redis Cluster, and all who use it.
pub struct Client {
    settings: Settings,
    group: Group<Job>,
    /// Connections that nobody uses now.
    idle: Mutex<Vec<Link>>,
    /// When the pipelines under way began.
    begun: Mutex<Vec<Instant>>,
    waiting: AtomicUsize,
    pulse: Pulse,
}

/// What one of them wants.
struct Job {
    commands: Vec<Cmd>,
    octets: usize,
    leave: Leave,
    answers: Result<Vec<Value>, Fault>,
}

impl Client {
    /// One that connects when it is first asked.
    ///
    /// # Errors
    ///
    /// What cannot work.
    pub fn new(settings: Settings) -> Result<Self, String> {
        if settings.endpoints.is_empty() {
            return Err("no address of Redis is given".into());
        }
        Ok(Self {
            group: Group::new(settings.connections.max(1)),
            settings,
            idle: Mutex::default(),
            begun: Mutex::default(),
            waiting: AtomicUsize::new(0),
            pulse: Pulse::default(),
        })
    }

    /// Where it is, and how it is spoken to.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Has Redis do all of this, in this order, beside what others want; the replies, one for each.
    /// Blocks, for twice the timeout at most, and not while Redis is known to be down.
    ///
    /// # Errors
    ///
    /// The first command that was refused; the others were done all the same.
    pub fn run(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, Fault> {
        let answers = self.exchange(commands)?;
        let refused = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(Fault::from(error)),
            _ => None,
        });
        refused.map_or(Ok(answers), Err)
    }

    /// The same; what was refused is among the replies.
    ///
    /// # Errors
    ///
    /// That it is not there, or too slow.
    pub fn exchange(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, Fault> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let leave = self.pulse.leave(Instant::now())?;
        let place = Place::take(self, leave)?;
        let octets = commands.iter().map(octets).sum();
        let job = Job {
            commands,
            octets,
            leave,
            answers: Err(Fault::Down("whoever asked for us has panicked".into())),
        };
        let (mut octets, mut count) = (0, 0);
        let fits = |job: &Job| {
            octets += job.octets;
            count += job.commands.len();
            octets <= BATCH && count <= COMMANDS
        };
        let job = self.group.join(job, fits, |jobs| self.work(jobs));
        drop(place);
        job.answers
    }

    /// Whether it answers is written down there from now on.
    pub fn telling(&self, part: Part) {
        self.pulse.telling(part);
    }

    /// Why it is down, while it is known to be.
    pub fn trouble(&self) -> Option<String> {
        self.pulse.why()
    }

    /// What Redis tells of itself, at each address; past all who wait.
    pub fn facts(&self) -> Vec<(String, Result<Facts, Fault>)> {
        let ask = |endpoint| {
            let facts =
                Link::one(&self.settings, endpoint).and_then(|mut link| Facts::ask(&mut link));
            (endpoint.to_string(), facts)
        };
        self.settings.endpoints.iter().map(ask).collect()
    }

    /// One pipeline for all.
    fn work(&self, jobs: &mut [Job]) {
        let now = Instant::now();
        if let Some(fault) = self.pulse.down(now) {
            // It went down while they waited.
            if jobs.iter().any(|job| job.leave == Leave::Try) {
                self.pulse.give_back();
            }
            for job in jobs {
                job.answers = Err(fault.clone());
            }
            return;
        }
        let under_way = UnderWay::new(self, now);
        let commands: Vec<&Cmd> = jobs.iter().flat_map(|job| &job.commands).collect();
        let answers = self.answers(&commands);
        drop(under_way);
        match answers {
            Ok(answers) => {
                self.pulse.beats();
                let mut answers = answers.into_iter();
                for job in jobs {
                    job.answers = Ok(answers.by_ref().take(job.commands.len()).collect());
                }
            }
            Err(fault) => {
                self.pulse.stops(Instant::now(), &fault.to_string());
                for job in jobs {
                    job.answers = Err(fault.clone());
                }
            }
        }
    }

    /// Asks on a connection that is there, and where that has broken since, or leads to the wrong
    /// place by now, on a new one.
    fn answers(&self, commands: &[&Cmd]) -> Result<Vec<Value>, Fault> {
        let idle = lock(&self.idle).pop();
        if let Some(link) = idle {
            let begin = Instant::now();
            match self.ask(link, commands) {
                Ok(answers) if !misplaced(&answers) => return Ok(answers),
                Err(fault) if begin.elapsed() >= self.settings.timeout => return Err(fault),
                // Those beside it are as old.
                _ => lock(&self.idle).clear(),
            }
        }
        self.ask(Link::open(&self.settings)?, commands)
    }

    fn ask(&self, mut link: Link, commands: &[&Cmd]) -> Result<Vec<Value>, Fault> {
        let answers = link.exchange(commands)?;
        if !misplaced(&answers) {
            lock(&self.idle).push(link);
        }
        Ok(answers)
    }
}

/// Whether Redis is another one than we thought.
fn misplaced(answers: &[Value]) -> bool {
    answers.iter().any(|answer| match answer {
        Value::ServerError(error) => Fault::from(error).is_of_place(),
        _ => false,
    })
}

fn octets(command: &Cmd) -> usize {
    let arguments = command.args_iter();
    let length = |argument: ::redis::Arg<&[u8]>| match argument {
        ::redis::Arg::Simple(octets) => octets.len(),
        _ => 0,
    };
    arguments.map(length).sum()
}

/// A pipeline, until it is answered or its thread panics.
struct UnderWay<'a>(&'a Client, Instant);

impl<'a> UnderWay<'a> {
    fn new(client: &'a Client, begin: Instant) -> Self {
        lock(&client.begun).push(begin);
        Self(client, begin)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut begun = lock(&self.0.begun);
        if let Some(index) = begun.iter().position(|begin| *begin == self.1) {
            begun.swap_remove(index);
        }
    }
}

/// One of those that wait.
struct Place<'a>(&'a Client, Leave);

impl<'a> Place<'a> {
    fn take(client: &'a Client, leave: Leave) -> Result<Self, Fault> {
        let before = client.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(client, leave);
        let is_slow = || {
            let begun = lock(&client.begun);
            begun.iter().any(|begin| begin.elapsed() > SLOW)
        };
        if leave == Leave::Plain && before >= client.settings.waiting && is_slow() {
            return Err(Fault::Busy);
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        // Whatever came of it is known by now, unless there was a panic.
        if self.1 == Leave::Try && thread::panicking() {
            self.0.pulse.give_back();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client {{ {} }}", self.settings.shown())
    }
}
