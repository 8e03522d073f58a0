//! What works and what does not: a board on which every part of the daemon has a line.
//!
//! ```
//! use maiasaura::{Config, Daemon};
//! use maiasaura::health::State;
//!
//! let daemon = Daemon::new(Config::default());
//! let part = daemon.health().part("directory"); // of a processor that asks one, say
//! part.ill("it does not answer");
//! for (name, state) in daemon.health().states() {
//!     println!("{name}: {}", state.cause().unwrap_or("well"));
//! }
//! # let states = daemon.health().states();
//! # assert_eq!(states, [("directory".into(), State::Ill("it does not answer".into()))]);
//! assert!(part.well()); // that is news
//! ```
//!
//! `metrics` shows the board at `/health`, and changes are told as [`events`](crate::events).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::events::{Event, Events};
use crate::locks::lock;

/// The board. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Health {
    events: Events,
    parts: Arc<Mutex<BTreeMap<Arc<str>, Weak<Line>>>>,
}

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It works.
    Well,
    /// It works with difficulty, or something waits for it; mail is taken all the same.
    Hampered(String),
    /// It does not work: mail that needs it is deferred.
    Ill(String),
}

/// A part of the daemon, or something that it depends on, as whoever looks after it sees it. It has
/// its line on the board until the last one that has it lets go.
#[derive(Clone, Debug)]
pub struct Part(Arc<Line>);

#[derive(Debug)]
struct Line {
    name: Arc<str>,
    /// As the state, for the common case that nothing has changed.
    rank: AtomicU8,
    state: Mutex<State>,
    board: Health,
}

impl Health {
    /// A board whose changes are told.
    pub fn new(events: Events) -> Self {
        Self {
            events,
            parts: Arc::default(),
        }
    }

    /// The line of a part, which is well unless somebody says otherwise. Under the same name it is
    /// the same line.
    pub fn part(&self, name: &str) -> Part {
        let mut parts = lock(&self.parts);
        if let Some(line) = parts.get(name).and_then(Weak::upgrade) {
            return Part(line);
        }
        let name: Arc<str> = name.into();
        let line = Arc::new(Line {
            name: Arc::clone(&name),
            rank: AtomicU8::new(State::Well.rank()),
            state: Mutex::new(State::Well),
            board: self.clone(),
        });
        parts.insert(name, Arc::downgrade(&line));
        Part(line)
    }

    /// All parts and how they are, in the order of their names.
    pub fn states(&self) -> Vec<(Arc<str>, State)> {
        let lines: Vec<Arc<Line>> = lock(&self.parts)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let state = |line: &Arc<Line>| (Arc::clone(&line.name), lock(&line.state).clone());
        lines.iter().map(state).collect()
    }
}

impl Part {
    /// It works. Says whether that is news. Costs next to nothing if it is none.
    pub fn well(&self) -> bool {
        self.0.rank.load(Ordering::Relaxed) != State::Well.rank() && self.0.turn(State::Well)
    }

    /// It does not work. Says whether that is news, and not only another cause: then it is worth a
    /// line in the log.
    pub fn ill(&self, cause: impl fmt::Display) -> bool {
        self.0.turn(State::Ill(cause.to_string()))
    }

    /// It works with difficulty, or something waits for it. Says whether that is news.
    pub fn hampered(&self, cause: impl fmt::Display) -> bool {
        self.0.turn(State::Hampered(cause.to_string()))
    }
}

impl Line {
    /// Says whether that is news, and tells it then.
    fn turn(&self, state: State) -> bool {
        let mut known = lock(&self.state);
        let is_news = known.rank() != state.rank();
        self.rank.store(state.rank(), Ordering::Relaxed);
        known.clone_from(&state);
        drop(known);
        if is_news {
            let part = Arc::clone(&self.name);
            self.board.events.tell(|| state.event(part));
        }
        is_news
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut parts = lock(&self.board.parts);
        // Another one may have its name already.
        if parts
            .get(&self.name)
            .is_some_and(|line| line.strong_count() == 0)
        {
            parts.remove(&self.name);
        }
    }
}

impl State {
    fn rank(&self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Hampered(_) => 1,
            Self::Ill(_) => 2,
        }
    }

    fn event(self, part: Arc<str>) -> Event {
        let takes_mail = self.takes_mail();
        match self {
            Self::Well => Event::Well { part },
            Self::Hampered(cause) | Self::Ill(cause) => Event::Ill {
                part,
                cause,
                takes_mail,
            },
        }
    }

    /// Whether mail is taken all the same.
    pub fn takes_mail(&self) -> bool {
        !matches!(self, Self::Ill(_))
    }

    /// What is wrong, if something is.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Well => None,
            Self::Hampered(cause) | Self::Ill(cause) => Some(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_on_the_board_as_long_as_somebody_looks_after_it() {
        let board = Health::default();
        let (one, same) = (board.part("mysql"), board.part("mysql"));
        let states = |board: &Health| board.states();
        assert_eq!(states(&board), [("mysql".into(), State::Well)]);
        assert!(one.ill("no answer"));
        assert_eq!(
            states(&board),
            [("mysql".into(), State::Ill("no answer".into()))]
        );
        drop(one);
        assert_eq!(states(&board).len(), 1);
        drop(same);
        assert_eq!(states(&board), []);
        let _again = board.part("mysql");
        assert_eq!(states(&board)[0].1, State::Well);
    }

    #[test]
    fn only_news_are_told() {
        let events = Events::default();
        let heard = events.subscribe(10);
        let board = Health::new(events);
        let part = board.part("redis");
        assert!(!part.well());
        assert!(part.ill("refused"));
        assert!(!part.ill("no route"), "another cause is no news");
        assert_eq!(board.states()[0].1.cause(), Some("no route"));
        assert!(part.hampered("slow") && part.well() && !part.well());
        let topics = std::iter::from_fn(|| heard.try_next());
        let topics: Vec<_> = topics.map(|event| event.topic()).collect();
        assert_eq!(topics, ["part:ill", "part:ill", "part:well"]);
    }
}
