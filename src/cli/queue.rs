//! `maiasaura queue`: what waits for applications, and what is to become of it. Works beside a
//! running server, which sees what is done here, and without one.

mod row;
mod spool;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use row::{Row, seconds};

use super::{Exit, Fault, Loaded, Outcome, say};
use crate::config::Config;
use crate::maildir::Store;
use crate::spool::{DeadLetters, Letter, Place, Queue, Slip, State};

/// Arguments of `queue`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 64 wrong arguments, 66 no such letter, 74 a file cannot be read or\nwritten, 78 configuration."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the letters that wait, and the dead ones.
    List {
        /// One JSON object for each, on a line of its own.
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of a letter.
    Show {
        /// Its name in the list.
        id: String,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Have letters tried now.
    Retry {
        /// Their names in the list.
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<String>,
        /// All that wait.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Remove letters, waiting or dead, for ever. What is in Maildirs stays.
    Drop {
        /// Their names in the list.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Put dead letters back into the queue.
    Replay {
        /// Their names in the list [otherwise all].
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Arguments) -> Outcome {
    let (config, source) = load()?;
    let desk = Desk::new(&config)
        .map_err(|error| Fault::new(Exit::Config, source.error("maildir.path", error)))?;
    spool::enter(&desk.place)?;
    match &arguments.command {
        Command::List { json } => desk.list(*json),
        Command::Show { id, json } => desk.show(id, *json),
        Command::Retry { ids, all } => desk.retry(ids, *all),
        Command::Drop { ids } => desk.remove(ids),
        Command::Replay { ids } => desk.replay(ids),
    }
}

/// The queues and the dead letters of a configuration.
struct Desk {
    store: Arc<Store>,
    place: Place,
    dead: DeadLetters,
}

/// A letter, wherever it is.
struct Found {
    /// Its queue and its name there; none if it is dead.
    waits: Option<(Queue, String)>,
    row: Row,
}

impl Desk {
    fn new(config: &Config) -> Result<Self, String> {
        let store = Arc::new(Store::new(config.maildir()));
        let place = config.spool()?;
        Ok(Self {
            dead: DeadLetters::new(Arc::clone(&store), place.clone()),
            store,
            place,
        })
    }

    fn fault(&self, error: &io::Error) -> Fault {
        spool::fault(&self.place, error)
    }

    /// Gives each letter to `take`, one after the other: there may be more than memory has room for.
    fn each(&self, mut take: impl FnMut(Found) -> Outcome) -> Outcome {
        for queue in Queue::all(&self.store, &self.place).map_err(|error| self.fault(&error))? {
            let tried = queue.tried().map_err(|error| self.fault(&error))?;
            for name in queue.letters().map_err(|error| self.fault(&error))? {
                let state = tried.contains(&name).then(|| queue.state(&name)).flatten();
                let found = Found::waiting(&queue, name, state.unwrap_or_default());
                found.map_or(Ok(()), &mut take)?;
            }
        }
        for path in self.dead.files().map_err(|error| self.fault(&error))? {
            Found::dead(path).map_or(Ok(()), &mut take)?;
        }
        Ok(())
    }

    /// The letters with one of these names, of which each has to be there.
    fn find(&self, ids: &[String]) -> Result<Vec<Found>, Fault> {
        let mut found: Vec<Found> = Vec::new();
        self.each(|letter| {
            if ids.contains(&letter.row.id) {
                found.push(letter);
            }
            Ok(())
        })?;
        let missing = |id: &&String| !found.iter().any(|letter| letter.row.id == **id);
        if let Some(id) = ids.iter().find(missing) {
            let message = format!("there is no letter {id}; `maiasaura queue list` has all");
            return Err(Fault::new(Exit::NoInput, message));
        }
        Ok(found)
    }

    fn list(&self, json: bool) -> Outcome {
        let (mut waiting, mut dead) = (0, 0);
        // Where it goes may be closed before the end, as by `head`.
        let mut out = BufWriter::new(io::stdout().lock());
        self.each(|letter| {
            let line = if json {
                letter.json()?
            } else {
                letter.row.line()
            };
            let _ = writeln!(out, "{line}");
            *(if letter.waits.is_some() {
                &mut waiting
            } else {
                &mut dead
            }) += 1;
            Ok(())
        })?;
        if !json {
            let _ = writeln!(out, "{waiting} waiting, {dead} dead");
        }
        Ok(())
    }

    fn show(&self, id: &str, json: bool) -> Outcome {
        for letter in self.find(&[id.to_owned()])? {
            if json {
                say(&letter.json()?);
            } else {
                letter.row.tell();
            }
        }
        Ok(())
    }

    fn retry(&self, ids: &[String], all: bool) -> Outcome {
        let mut count = 0;
        let mut retry = |letter: Found| {
            let Some((queue, name)) = &letter.waits else {
                return Ok(());
            };
            let state = State {
                next: State::NOW,
                ..queue.state(name).unwrap_or_default()
            };
            queue
                .note(name, &state)
                .map_err(|error| self.fault(&error))?;
            count += 1;
            Ok(())
        };
        if all {
            self.each(retry)?;
        } else {
            let letters = self.find(ids)?;
            if let Some(dead) = letters.iter().find(|letter| letter.waits.is_none()) {
                let id = &dead.row.id;
                let message = format!("{id} is dead; `maiasaura queue replay {id}` brings it back");
                return Err(Fault::new(Exit::NoInput, message));
            }
            letters.into_iter().try_for_each(&mut retry)?;
        }
        say(&format!("{count} to be tried now"));
        Ok(())
    }

    fn remove(&self, ids: &[String]) -> Outcome {
        let letters = self.find(ids)?;
        for letter in &letters {
            let removed = match &letter.waits {
                Some((queue, name)) => queue.remove(name),
                None => std::fs::remove_file(&letter.row.file),
            };
            removed.map_err(|error| self.fault(&error))?;
        }
        let waiting = letters.iter().filter_map(|letter| letter.waits.as_ref());
        let queues: BTreeMap<&str, &Queue> = waiting.map(|(it, _)| (it.name(), it)).collect();
        for queue in queues.values() {
            queue.tidy().map_err(|error| self.fault(&error))?;
        }
        say(&format!("{} removed", letters.len()));
        Ok(())
    }

    fn replay(&self, ids: &[String]) -> Outcome {
        let mut count = 0;
        let mut replay = |letter: Found| {
            if letter.waits.is_some() {
                return Ok(());
            }
            if letter.row.letter.is_none() {
                let (path, error) = (letter.row.file.display(), &letter.row.error);
                say(&format!("{path} stays: {error}"));
                return Ok(());
            }
            let replayed = self.dead.replay(&letter.row.file);
            replayed.map_err(|error| self.fault(&error))?;
            count += 1;
            Ok(())
        };
        if ids.is_empty() {
            self.each(replay)?;
        } else {
            let letters = self.find(ids)?;
            if let Some(waits) = letters.iter().find(|letter| letter.waits.is_some()) {
                let id = &waits.row.id;
                let message =
                    format!("{id} waits already; `maiasaura queue retry {id}` has it tried now");
                return Err(Fault::new(Exit::NoInput, message));
            }
            letters.into_iter().try_for_each(&mut replay)?;
        }
        say(&format!("{count} back in the queue"));
        Ok(())
    }
}

impl Found {
    /// None if it is gone meanwhile.
    fn waiting(queue: &Queue, name: String, state: State) -> Option<Self> {
        let path = queue.path(&name);
        let (letter, unreadable) = opened(queue.letter(&name))?;
        let next = Some(state.next / 1000).filter(|next| *next > seconds());
        let row = Row {
            id: letter.as_ref().map_or(&name, |slip| &slip.id).clone(),
            status: "waiting",
            queue: queue.name().to_owned(),
            attempts: state.attempts,
            next,
            error: unreadable.unwrap_or(state.error),
            file: path,
            letter,
        };
        Some(Self {
            waits: Some((queue.clone(), name)),
            row,
        })
    }

    fn dead(path: PathBuf) -> Option<Self> {
        let (letter, unreadable) = opened(DeadLetters::letter(&path))?;
        // One that cannot be read has none either.
        let reason = DeadLetters::reason(&path);
        let (why, attempts) =
            reason.map_or_else(|_| (String::new(), 0), |it| (it.why, it.attempts));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let row = Row {
            id: match &letter {
                Some(slip) => slip.id.clone(),
                None => name.into_owned(),
            },
            status: "dead",
            queue: letter
                .as_ref()
                .map_or_else(|| "?".into(), |slip| slip.consumer.clone()),
            attempts,
            next: None,
            error: match unreadable {
                Some(unreadable) if why.is_empty() => unreadable,
                _ => why,
            },
            file: path,
            letter,
        };
        Some(Self { waits: None, row })
    }

    fn json(&self) -> Result<String, Fault> {
        let json = serde_json::to_string(&self.row);
        json.map_err(|error| Fault::new(Exit::Software, error))
    }
}

/// The slip of a letter, or why it cannot be read.
type Opened = (Option<Slip>, Option<String>);

/// None if the letter is gone.
fn opened(letter: io::Result<Letter>) -> Option<Opened> {
    match letter {
        Ok(letter) => Some((Some(letter.slip), None)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some((None, Some(error.to_string()))),
    }
}
