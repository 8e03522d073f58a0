//! Which addresses are ours, and where their mail goes: host patterns, users,
//! aliases, subaddresses. The only place where an address becomes a path.
//!
//! No file is opened here. What depends on the disk is left to who looks at
//! it, as a chain of [`Destination`]s: `location.create` says whether that
//! Maildir, or that folder of it, may be made; where it may not and is not
//! there, `otherwise` takes the mail. A folder always has its own inbox as
//! `otherwise`; it is only made in a Maildir that exists or may be made.
//!
//! ```
//! use maiasaura::Config;
//! use maiasaura::config::Environment;
//! use maiasaura::recipients::Recipients;
//! use maiasaura::smtp::address::ForwardPath;
//!
//! let yaml = "\
//! recipients: {hosts: ['*.example.org'], users: {bob: {}}}
//! maildir: {path: '/var/vmail/{host}/{user}'}
//! ";
//! let config = Config::parse(yaml, "example", &Environment::default())?;
//! let recipients = Recipients::new(&config.recipients())?;
//! let (path, _) = ForwardPath::parse("<bob+lists@books.example.org>").expect("an address");
//! let recipient = recipients.resolve(&path).expect("it is ours");
//! let location = &recipient.destinations[0].location;
//! assert_eq!(location.path().to_str(), Some("/var/vmail/books.example.org/bob"));
//! println!("{}", recipients.explain(&path)); // as `maiasaura explain` does
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capture;
mod check;
mod encoding;
mod explain;
mod hosts;
mod load;
mod names;
mod pattern;
mod route;
mod settings;
mod source;
mod syntax;
mod template;
mod trie;
mod users;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

#[doc(inline)]
pub use crate::maildir::{Owner, Quota};
pub use explain::{Explanation, Step, UserRule};
pub use pattern::{HostMatch, HostPatterns, PatternError};
pub use settings::{
    Asking, DetailFolder, Question, SettingError, Settings, Subaddress, User, Users,
};
pub use source::{Pending, UserSource};
#[doc(hidden)]
pub use template::root_of;

use self::hosts::Hosts;
use self::names::{ByAddress, Names};
use self::source::Asked;
use self::template::Template;
use self::users::Directory;
use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::smtp::address::{ForwardPath, Mailbox};

/// Whose mail is taken, and where it goes: [`Settings`], checked and compiled.
#[derive(Clone, Debug)]
pub struct Recipients {
    hosts: Hosts,
    names: Names,
    users: Directory,
    /// What an address stands for; without loops, and every target is ours.
    aliases: ByAddress<Vec<Mailbox>>,
    /// The path of a Maildir that has none of its own.
    path: Template,
    folder: DetailFolder,
    /// Where mail for a postmaster without a mailbox goes.
    postmaster: Mailbox,
    /// The Maildir of the postmaster, where one must exist to count; itself it is made.
    last_resort: Option<Destination>,
    /// Where mail for an unknown user goes.
    catch_all: Option<Destination>,
    /// Who knows the users, where that is not written down.
    source: Option<Arc<Asked>>,
}

impl Recipients {
    /// Checks and compiles the settings.
    pub fn new(settings: &Settings) -> Result<Self, SettingError> {
        load::recipients(settings)
    }

    /// The mailboxes that `path` stands for: at least one, each once.
    ///
    /// Fails with 550 5.7.1 when the host is not ours, and with 550 5.1.1 when
    /// nobody takes the mail of that user.
    pub fn resolve(&self, path: &ForwardPath) -> Result<Recipient, Failure> {
        self.explain(path).outcome
    }

    /// As [`resolve`](Self::resolve), and where a source knows the users, it is asked: the mailboxes that
    /// there are, or those that stand in for them.
    ///
    /// Fails with 451 4.3.0 when the source cannot say.
    pub async fn find(&self, path: &ForwardPath) -> Result<Recipient, Failure> {
        let found = self.resolve(path)?;
        match &self.source {
            Some(source) => self.ask(source, found).await,
            None => Ok(found),
        }
    }

    /// Has this source asked for users.
    #[must_use]
    pub fn with_source(self, source: Arc<dyn UserSource>, asking: Asking) -> Self {
        let source = Some(Arc::new(Asked::new(source, asking)));
        Self { source, ..self }
    }

    /// As [`resolve`](Self::resolve), with the rules that led there.
    pub fn explain(&self, path: &ForwardPath) -> Explanation {
        let mut steps = Vec::new();
        let outcome = self.route(path, &mut steps).map(|destinations| Recipient {
            forward_path: path.clone(),
            destinations,
        });
        Explanation {
            path: path.clone(),
            steps,
            outcome,
        }
    }

    /// Every folder below which Maildirs lie, each once, in alphabetical order.
    pub fn roots(&self) -> Vec<Arc<Path>> {
        let own = self.users.paths().map(Template::root);
        let roots: BTreeSet<_> = own.chain([self.path.root()]).cloned().collect();
        roots.into_iter().collect()
    }

    /// Whether `*` alone is among the host patterns: mail for any host is taken.
    pub fn is_catch_all_host(&self) -> bool {
        self.hosts.patterns().matches_everything()
    }
}
