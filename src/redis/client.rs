//! One Redis, and all who use it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fmt, ptr};

use ::redis::{Cmd, Value};

use super::link::Link;
use super::nodes::Pulses;
use super::pulse::{Leave, Pulse};
use super::{Endpoint, Facts, Fault, Settings, Wait};
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
    /// Those of the nodes of a cluster.
    nodes: Arc<Pulses>,
}

/// What one of them wants.
struct Job {
    commands: Vec<Cmd>,
    octets: usize,
    wait: Option<Wait>,
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
            pulse: Pulse::new("Redis"),
            nodes: Arc::default(),
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
        let refused = answers.iter().find_map(Fault::of);
        refused.map_or(Ok(answers), Err)
    }

    /// The same; what was refused is among the replies.
    ///
    /// # Errors
    ///
    /// That it is not there, or too slow. A node of a cluster that is not there is among the replies.
    pub fn exchange(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, Fault> {
        self.exchange_and(commands, None)
    }

    /// The same, and what is to be waited for after them: once for all who share the pipeline, for half
    /// of the timeout at most. The reply to that comes last.
    ///
    /// # Errors
    ///
    /// The same; and that it is a cluster, of which nobody can ask that.
    pub fn exchange_and(
        &self,
        commands: Vec<Cmd>,
        wait: Option<Wait>,
    ) -> Result<Vec<Value>, Fault> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        if wait.is_some() && self.settings.cluster {
            return Err(Fault::Odd("a cluster is not asked for replicas".into()));
        }
        let leave = self.pulse.leave(Instant::now())?;
        let mut place = Place::take(self, leave)?;
        let octets = commands.iter().map(octets).sum();
        let job = Job {
            commands,
            octets,
            wait,
            answers: Err(Fault::Down("whoever asked for us has panicked".into())),
        };
        let fits = self.measure();
        let work = |jobs: &mut [Job]| self.work(jobs);
        let is_enough = || place.is_too_many();
        let job = self.group.join_unless(job, SLOW, is_enough, fits, work);
        drop(place);
        job.map_err(|_| Fault::Busy)?.answers
    }

    /// What fits into a pipeline; of those who may wait no more than its share, as they cannot go.
    fn measure(&self) -> impl FnMut(&Job) -> bool {
        let most = (self.settings.waiting / self.settings.connections.max(1)).max(1);
        let (mut octets, mut count, mut jobs) = (0, 0, 0);
        move |job| {
            octets += job.octets;
            count += job.commands.len();
            jobs += 1;
            octets <= BATCH && count <= COMMANDS && jobs <= most
        }
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
    pub fn facts(&self) -> Vec<(&Endpoint, Result<Facts, Fault>)> {
        let ask = |endpoint| {
            let link = Link::one(&self.settings, endpoint);
            (endpoint, link.and_then(|mut link| Facts::ask(&mut link)))
        };
        self.settings.endpoints.iter().map(ask).collect()
    }

    /// One pipeline for all.
    fn work(&self, jobs: &mut [Job]) {
        let now = Instant::now();
        if let Some(fault) = self.pulse.down(now) {
            // It went down while they waited.
            for job in jobs {
                job.answers = Err(fault.clone());
            }
            return;
        }
        let under_way = UnderWay::new(self, now);
        let wait = jobs.iter().filter_map(|job| job.wait).reduce(Wait::and);
        // Before the connection is given up for dead.
        let wait = wait.map(|wait| wait.command(self.settings.timeout / 2));
        let commands: Vec<&Cmd> = jobs.iter().flat_map(|job| &job.commands).collect();
        let commands: Vec<&Cmd> = commands.into_iter().chain(&wait).collect();
        let answers = self.answers(&commands);
        drop(under_way);
        match answers {
            Ok(answers) => {
                self.answered(&answers);
                give(answers, jobs);
            }
            Err(fault) => {
                self.pulse.stops(Instant::now(), &fault.why());
                for job in jobs {
                    job.answers = Err(fault.clone());
                }
            }
        }
    }

    /// It is there if any node is.
    fn answered(&self, answers: &[Value]) {
        let is_away = |answer| matches!(Fault::of(answer), Some(Fault::Away(_)));
        if !answers.iter().all(is_away) {
            self.pulse.beats(self.nodes.trouble());
        }
    }

    /// Asks on a connection that is there, and where that has broken since, or leads to the wrong
    /// place by now, on a new one.
    fn answers(&self, commands: &[&Cmd]) -> Result<Vec<Value>, Fault> {
        let idle = lock(&self.idle).pop();
        if let Some(link) = idle {
            let begin = Instant::now();
            match self.ask(link, commands) {
                Ok(answers) if !self.is_misplaced(&answers) => return Ok(answers),
                Err(fault) if begin.elapsed() >= self.settings.timeout => return Err(fault),
                // Those beside it are as old.
                _ => lock(&self.idle).clear(),
            }
        }
        self.ask(Link::open(&self.settings, &self.nodes)?, commands)
    }

    fn ask(&self, mut link: Link, commands: &[&Cmd]) -> Result<Vec<Value>, Fault> {
        let answers = link.exchange(commands)?;
        if !self.is_misplaced(&answers) {
            lock(&self.idle).push(link);
        }
        Ok(answers)
    }

    /// Whether Redis is another one than we thought. Each node of a cluster is looked after by itself.
    fn is_misplaced(&self, answers: &[Value]) -> bool {
        let is_of_place = |answer| Fault::of(answer).is_some_and(|fault| fault.is_of_place());
        !self.settings.cluster && answers.iter().any(is_of_place)
    }
}

/// To each its own, and the last one to all who have waited for it.
fn give(answers: Vec<Value>, jobs: &mut [Job]) {
    let waited = answers.last().cloned();
    let mut answers = answers.into_iter();
    for job in jobs {
        let mut own: Vec<Value> = answers.by_ref().take(job.commands.len()).collect();
        own.extend(job.wait.and_then(|_| waited.clone()));
        job.answers = Ok(own);
    }
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
struct Place<'a> {
    client: &'a Client,
    leave: Leave<'a>,
    is_counted: bool,
}

impl<'a> Place<'a> {
    fn take(client: &'a Client, leave: Leave<'a>) -> Result<Self, Fault> {
        client.waiting.fetch_add(1, Ordering::Relaxed);
        let mut place = Self {
            client,
            leave,
            is_counted: true,
        };
        let is_slow = || {
            let begun = lock(&client.begun);
            begun.iter().any(|begin| begin.elapsed() > SLOW)
        };
        if is_slow() && place.is_too_many() {
            return Err(Fault::Busy);
        }
        Ok(place)
    }

    /// Whether more wait than may; then it is not one of them any more.
    fn is_too_many(&mut self) -> bool {
        if self.leave.is_trial() {
            return false;
        }
        let most = self.client.settings.waiting;
        let fewer = |waiting: usize| (waiting > most).then(|| waiting - 1);
        let counter = &self.client.waiting;
        let left = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        self.is_counted = left.is_err();
        left.is_ok()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_counted {
            self.client.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Each is another one, wherever it leads.
impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client {{ {} }}", self.settings.shown())
    }
}
