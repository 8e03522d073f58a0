//! `maiasaura stream`: what waits in the streams, and what is to become of the dead ones.

use std::sync::Arc;

use clap::Subcommand;

use super::{Exit, Fault, Loaded, Outcome, say};
use crate::config::Config;
use crate::redis::{self, Client};
use crate::stream::{Entry, Morgue};

/// Arguments of `stream`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 64 wrong arguments, 66 no such message, 75 Redis does not answer,\n78 configuration."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How much waits in each partition, and the dead ones.
    List,
    /// Put dead ones back into their streams.
    Replay {
        /// Their names in the list [otherwise all].
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove dead ones for ever.
    Drop {
        /// Their names in the list.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

impl From<redis::Fault> for Fault {
    fn from(fault: redis::Fault) -> Self {
        Self::new(Exit::TempFail, fault)
    }
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Arguments) -> Outcome {
    let (config, source) = load()?;
    let morgue =
        open(&config).map_err(|error| Fault::new(Exit::Config, source.error("redis", error)))?;
    match &arguments.command {
        Command::List => list(&morgue),
        Command::Replay { ids } => {
            let mut count = 0;
            each(&morgue, ids, |entry| {
                if morgue.replay(entry)? {
                    count += 1;
                } else {
                    say(&format!("{} stays: it is no message", name(entry)));
                }
                Ok(())
            })?;
            say(&format!("{count} back in their streams"));
            Ok(())
        }
        Command::Drop { ids } => {
            let mut count = 0;
            each(&morgue, ids, |entry| {
                count += 1;
                Ok(morgue.remove(&(entry.partition, entry.id.clone()))?)
            })?;
            say(&format!("{count} removed"));
            Ok(())
        }
    }
}

fn open(config: &Config) -> Result<Morgue, String> {
    let client = Client::new(config.redis_settings()?)?;
    Ok(Morgue::new(Arc::new(client), config.stream_settings()))
}

fn list(morgue: &Morgue) -> Outcome {
    let (mut waiting, mut dead) = (0, 0);
    for (partition, count) in morgue.counts()?.into_iter().enumerate() {
        if count.waiting + count.dead > 0 {
            say(&format!(
                "partition {partition}: {} waiting, {} of them with a worker, {} dead",
                count.waiting, count.taken, count.dead
            ));
        }
        waiting += count.waiting;
        dead += count.dead;
    }
    morgue.each(|entry| {
        let (from, to) = match &entry.parcel {
            Ok(parcel) => (&*parcel.slip.mail_from, &*parcel.slip.rcpt),
            Err(_) => ("?", "?"),
        };
        let why = entry.why.as_deref().unwrap_or_default();
        say(&format!(
            "{}  dead  <{from}> to {to}  ({why})",
            name(&entry)
        ));
        Ok::<_, Fault>(())
    })?;
    say(&format!("{waiting} waiting, {dead} dead"));
    Ok(())
}

/// Those with these names, of which each has to be there; all where none is given.
fn each(morgue: &Morgue, ids: &[String], mut take: impl FnMut(&Entry) -> Outcome) -> Outcome {
    let mut missing: Vec<&String> = ids.iter().collect();
    morgue.each(|entry| {
        let name = name(&entry);
        if !ids.is_empty() && !ids.contains(&name) {
            return Ok(());
        }
        missing.retain(|id| **id != name);
        take(&entry)
    })?;
    match missing.first() {
        None => Ok(()),
        Some(id) => {
            let message = format!("there is no dead one {id}; `maiasaura stream list` has all");
            Err(Fault::new(Exit::NoInput, message))
        }
    }
}

/// Its place, as one word.
fn name(entry: &Entry) -> String {
    format!("{}/{}", entry.partition, entry.id)
}
