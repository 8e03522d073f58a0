//! A Redis Cluster: a connection to each of its nodes. What one of them suffers from is no business of
//! the others: each command has a reply of its own, which is [`Fault::Away`] where its node does not
//! answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ::redis::{Cmd, Connection, RedisResult, Value, cmd};

use super::link::{at, send, single};
use super::pulse::Pulse;
use super::slots::{Slots, key};
use super::{Endpoint, Fault, Settings};
use crate::locks::lock;

/// The connections to its nodes.
pub(super) struct Nodes {
    settings: Settings,
    pulses: Arc<Pulses>,
    slots: Slots,
    /// Whether slots may be elsewhere by now.
    is_stale: bool,
    links: BTreeMap<Endpoint, Connection>,
}

/// A command, by its place in the pipeline, and whether its slot is on its way to the node.
#[derive(Clone, Copy)]
struct Task {
    index: usize,
    asking: bool,
}

type Round = BTreeMap<Endpoint, Vec<Task>>;

impl Nodes {
    /// Finds out where everything is.
    pub(super) fn open(settings: &Settings, pulses: &Arc<Pulses>) -> Result<Self, Fault> {
        let mut nodes = Self {
            settings: settings.clone(),
            pulses: Arc::clone(pulses),
            slots: Slots::default(),
            is_stale: true,
            links: BTreeMap::new(),
        };
        nodes.learn()?;
        Ok(nodes)
    }

    /// Sends each command to the node that has its key, then reads all replies. What another node has
    /// by now, and what was on its way when an old connection broke, is asked once more.
    pub(super) fn exchange(&mut self, commands: &[&Cmd]) -> Result<Vec<Value>, Fault> {
        if self.is_stale {
            self.learn()?;
        }
        let mut answers = vec![Value::Nil; commands.len()];
        let mut round = Round::new();
        for index in 0..commands.len() {
            self.assign(index, commands, &mut round, &mut answers);
        }
        let mut again = self.round(commands, &round, &mut answers, true);
        let is_elsewhere =
            |answer: &Value| Fault::of(answer).is_some_and(|fault| fault.has_moved());
        again.extend((0..answers.len()).filter(|index| is_elsewhere(&answers[*index])));
        if again.is_empty() {
            return Ok(answers);
        }
        self.learn()?;
        let mut round = Round::new();
        for index in again {
            self.assign(index, commands, &mut round, &mut answers);
        }
        self.round(commands, &round, &mut answers, false);
        Ok(answers)
    }

    /// To the node that the reply names, if there is one that does, or that has the key.
    fn assign(&self, index: usize, commands: &[&Cmd], round: &mut Round, answers: &mut [Value]) {
        let before = Fault::of(&answers[index]);
        let named = before.as_ref().and_then(Fault::elsewhere);
        let known = || self.slots.place(key(commands[index])).cloned();
        let task = Task {
            index,
            asking: before.is_some_and(|fault| fault.is_code("ASK")),
        };
        match named.or_else(known) {
            Some(node) => round.entry(node).or_default().push(task),
            None => answers[index] = Fault::away("no node has its slot"),
        }
    }

    /// Asks all nodes, then listens to each; says what is to be asked again, where that is `allowed`.
    fn round(
        &mut self,
        commands: &[&Cmd],
        round: &Round,
        answers: &mut [Value],
        allowed: bool,
    ) -> Vec<usize> {
        let mut again = Vec::new();
        let mut asked = Vec::new();
        for (node, tasks) in round {
            let was_open = self.links.contains_key(node);
            match self.send(node, tasks, commands) {
                Ok(()) => asked.push((node, tasks, was_open)),
                Err(Fault::Down(_)) if was_open && allowed => {
                    again.extend(tasks.iter().map(|task| task.index));
                }
                Err(fault) => self.lose(node, &fault, tasks, answers),
            }
        }
        for (node, tasks, was_open) in asked {
            let begin = Instant::now();
            let Some((rest, fault)) = self.receive(node, tasks, answers) else {
                self.pulses.of(node).beats(None);
                continue;
            };
            self.links.remove(node);
            // One that takes its time would take it again.
            if was_open && allowed && begin.elapsed() < self.settings.timeout {
                again.extend(rest.iter().map(|task| task.index));
            } else {
                self.lose(node, &fault, rest, answers);
            }
        }
        again
    }

    fn send(&mut self, node: &Endpoint, tasks: &[Task], commands: &[&Cmd]) -> Result<(), Fault> {
        let link = self.link(node)?;
        let asking = cmd("ASKING");
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.asking.then_some(&asking));
            all.push(commands[task.index]);
        }
        let sent = send(link, &all);
        if sent.is_err() {
            self.links.remove(node);
        }
        sent.map_err(|error| at(node, &error))
    }

    /// Reads the replies; what has none, and why, if the connection breaks.
    fn receive<'a>(
        &mut self,
        node: &Endpoint,
        tasks: &'a [Task],
        answers: &mut [Value],
    ) -> Option<(&'a [Task], Fault)> {
        let link = self.links.get_mut(node)?;
        for (number, task) in tasks.iter().enumerate() {
            let mut answer = link.recv_response();
            if task.asking {
                answer = answer.and_then(|_| link.recv_response());
            }
            match answer {
                Ok(answer) => answers[task.index] = answer,
                Err(error) => return Some((&tasks[number..], at(node, &error))),
            }
        }
        None
    }

    /// It is left alone for a while.
    fn lose(&mut self, node: &Endpoint, fault: &Fault, tasks: &[Task], answers: &mut [Value]) {
        let why = match fault {
            // That is known.
            Fault::Away(why) => why.clone(),
            Fault::Down(why) => {
                self.stops(node, why);
                why.clone()
            }
            fault => fault.to_string(),
        };
        for task in tasks {
            answers[task.index] = Fault::away(&why);
        }
    }

    fn stops(&mut self, node: &Endpoint, why: &str) {
        self.links.remove(node);
        self.is_stale = true;
        self.pulses.of(node).stops(Instant::now(), why);
    }

    /// The connection to a node, unless that is known to be away.
    fn link(&mut self, node: &Endpoint) -> Result<&mut Connection, Fault> {
        let pulse = self.pulses.of(node);
        let known = |fault| match fault {
            Fault::Down(why) => Fault::Away(why),
            fault => fault,
        };
        let leave = pulse.leave(Instant::now()).map_err(known)?;
        if leave.is_trial() || !self.links.contains_key(node) {
            match greeted(&self.settings, node) {
                Ok(link) => self.links.insert(node.clone(), link),
                Err(error) => {
                    let why = at(node, &error).why();
                    self.stops(node, &why);
                    return Err(Fault::Away(why));
                }
            };
            pulse.beats(None);
        }
        let gone = || Fault::Away(format!("{node}: there is no connection"));
        self.links.get_mut(node).ok_or_else(gone)
    }

    /// Asks any node where the slots are.
    fn learn(&mut self) -> Result<(), Fault> {
        let mut why = "no address is given".to_owned();
        let open: Vec<Endpoint> = self.links.keys().cloned().collect();
        let named = self.settings.endpoints.clone();
        for node in open.iter().chain(&named) {
            match self.ask_slots(node) {
                Ok(slots) => {
                    self.pulses.keep(&slots);
                    self.slots = slots;
                    self.is_stale = false;
                    return Ok(());
                }
                Err(fault) => why = fault.why(),
            }
        }
        let shown = self.settings.shown();
        Err(Fault::Down(format!(
            "no node of the cluster ({shown}): {why}"
        )))
    }

    fn ask_slots(&mut self, node: &Endpoint) -> Result<Slots, Fault> {
        let mut ask = cmd("CLUSTER");
        ask.arg("SLOTS");
        let answer = ask.query::<Value>(self.link(node)?);
        match answer {
            Ok(answer) => Slots::read(answer, node)
                .ok_or_else(|| Fault::Odd(format!("{node} tells of no slots"))),
            Err(error) => {
                let fault = at(node, &error);
                self.stops(node, &fault.why());
                Err(fault)
            }
        }
    }
}

/// A connection at whose end somebody answers.
fn greeted(settings: &Settings, node: &Endpoint) -> RedisResult<Connection> {
    let mut link = single(settings, node)?;
    link.set_read_timeout(Some(settings.connect_timeout))?;
    cmd("PING").exec(&mut link)?;
    link.set_read_timeout(Some(settings.timeout))?;
    Ok(link)
}

/// Which nodes answer, for all who ask them.
#[derive(Debug, Default)]
pub(super) struct Pulses(Mutex<BTreeMap<Endpoint, Arc<Pulse>>>);

impl Pulses {
    fn of(&self, node: &Endpoint) -> Arc<Pulse> {
        let mut pulses = lock(&self.0);
        let pulse = pulses.entry(node.clone());
        Arc::clone(pulse.or_insert_with(|| Arc::new(Pulse::new("a node of Redis"))))
    }

    /// Forgets those that are no part of the cluster any more.
    fn keep(&self, slots: &Slots) {
        lock(&self.0).retain(|node, _| slots.nodes().any(|known| known == node));
    }

    /// What one of them suffers from, if one does.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.0).values().find_map(|pulse| pulse.why())
    }
}
