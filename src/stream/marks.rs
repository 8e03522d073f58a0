//! Marks: of the entries with one key, one is delivered.

use super::entry::text;
use super::source::{millis, refused};
use super::{Entry, Source};
use crate::redis::{Command, Fault, Value, command};

/// What a key says that is marked as done.
const DONE: &str = "done";

/// Takes over the mark KEYS[1] from the entry ARGV[2], if no worker of the group ARGV[1] has that in the
/// stream KEYS[2], for the entry ARGV[3]; what the mark says then. All at once, as others may try it in the
/// same moment. While Redis is full there is no mark any more, and whoever has found that delivers.
const INHERIT: &str = "\
local says = redis.call('GET', KEYS[1])
if says ~= ARGV[2] then return says end
local pending = redis.pcall('XPENDING', KEYS[2], ARGV[1], says, says, 1)
if pending.err or #pending > 0 then return says end
local set = redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
if set.err then redis.call('DEL', KEYS[1]) end
return ARGV[3]";

/// Whether an entry may be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Yes, by this worker.
    Ours,
    /// It was delivered before.
    Done,
    /// An entry with the same key is under way.
    Busy,
}

/// What is known of a key once it was tried to mark it.
enum Known {
    /// What its mark says.
    Says(String),
    /// There is no room for a mark.
    Full,
    /// There was a mark, and it went in the same moment.
    Nothing,
}

impl Source {
    /// Which of these, all of them taken by this worker, may be delivered. While Redis is full, and cannot
    /// mark anything, all that bear no mark: it is mail that fills it.
    pub fn claim(&self, entries: &[Entry]) -> Result<Vec<Claim>, Fault> {
        let keys: Vec<Option<String>> = entries.iter().map(|entry| self.key(entry)).collect();
        let marked = entries.iter().zip(&keys);
        let marked = marked.filter_map(|(entry, key)| Some((entry, key.as_deref()?)));
        let commands = marked.flat_map(|(entry, key)| self.mark(entry, key));
        let answers = self.client.exchange(commands.collect())?;
        let mut answers = answers.chunks(2);
        let mut claims = Vec::new();
        for (entry, key) in entries.iter().zip(&keys) {
            // What cannot be read is nobody's else.
            let Some(key) = key else {
                claims.push(Claim::Ours);
                continue;
            };
            let known = known(answers.next().unwrap_or_default())?;
            claims.push(match &known {
                Known::Says(other) if verdict(entry, &known) == Claim::Busy => {
                    self.inherit(entry, key, other)?
                }
                _ => verdict(entry, &known),
            });
        }
        Ok(claims)
    }

    /// What marks it as delivered.
    pub(super) fn done(&self, entry: &Entry) -> Option<Command> {
        let mut mark = command("SET");
        mark.arg(self.key(entry)?).arg(DONE);
        mark.arg("PX").arg(millis(self.settings.remember));
        Some(mark)
    }

    /// The mark says `other`. Where no worker has that, it was withdrawn after one had marked it, and bars
    /// this one no more.
    fn inherit(&self, entry: &Entry, key: &str, other: &str) -> Result<Claim, Fault> {
        let mut inherit = command("EVAL");
        inherit.arg(INHERIT).arg(2).arg(key);
        inherit.arg(self.settings.mail(entry.partition));
        inherit.arg(&self.settings.group).arg(other);
        inherit.arg(&entry.id).arg(millis(self.settings.remember));
        let says = self.client.run(vec![inherit])?.into_iter().next();
        let known = says.and_then(text).map_or(Known::Nothing, Known::Says);
        Ok(verdict(entry, &known))
    }

    /// What marks it where nothing is marked yet, and what asks for the mark.
    fn mark(&self, entry: &Entry, key: &str) -> [Command; 2] {
        let mut set = command("SET");
        set.arg(key).arg(&entry.id).arg("NX");
        set.arg("PX").arg(millis(self.settings.remember));
        let mut get = command("GET");
        get.arg(key);
        [set, get]
    }

    fn key(&self, entry: &Entry) -> Option<String> {
        let parcel = entry.parcel.as_ref().ok()?;
        Some(self.settings.mark(entry.partition, &parcel.mark))
    }
}

/// From the answers to [`Source::mark`].
fn known(answers: &[Value]) -> Result<Known, Fault> {
    let fault = answers.first().and_then(refused);
    let is_full = fault.as_ref().is_some_and(Fault::is_full);
    if let Some(fault) = fault.filter(|_| !is_full) {
        return Err(fault);
    }
    let says = answers.get(1).cloned().unwrap_or_default();
    if let Some(fault) = refused(&says) {
        return Err(fault);
    }
    Ok(match text(says) {
        Some(says) => Known::Says(says),
        None if is_full => Known::Full,
        None => Known::Nothing,
    })
}

fn verdict(entry: &Entry, known: &Known) -> Claim {
    match known {
        Known::Says(id) if *id == entry.id => Claim::Ours,
        Known::Says(done) if done == DONE => Claim::Done,
        Known::Full => Claim::Ours,
        _ => Claim::Busy,
    }
}
