//! Who has a mailbox.

use super::explain::UserRule;
use super::names::ByAddress;
use super::template::Template;
use crate::maildir::{Owner, Quota};
use crate::smtp::address::Mailbox;

/// What is special about one mailbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Home {
    pub(super) owner: Option<Owner>,
    pub(super) quota: Option<Quota>,
    /// Its own path, when it does not have that of everybody.
    pub(super) path: Option<Template>,
}

/// The users, by the rule that says who is one.
#[derive(Clone, Debug)]
pub(super) enum Directory {
    /// Everybody.
    Any(Home),
    /// Whose Maildir is there.
    Existing(Home),
    /// Whom a source outside of the configuration knows.
    Asked(Home),
    /// Those who are named.
    Listed(ByAddress<Home>),
}

impl Directory {
    /// The mailboxes that are named, for looking up an address before it is divided.
    pub(super) fn listed(&self) -> Option<&ByAddress<Home>> {
        match self {
            Self::Listed(homes) => Some(homes),
            Self::Any(_) | Self::Existing(_) | Self::Asked(_) => None,
        }
    }

    /// The home of a folded mailbox.
    pub(super) fn get(&self, mailbox: &Mailbox) -> Option<&Home> {
        match self {
            Self::Any(home) | Self::Existing(home) | Self::Asked(home) => Some(home),
            Self::Listed(homes) => homes.get(mailbox),
        }
    }

    /// Whether only the disk knows who has a mailbox.
    pub(super) fn must_exist(&self) -> bool {
        matches!(self, Self::Existing(_))
    }

    /// Whether there may be no mailbox where one is found: the disk, or a source, has the last word.
    pub(super) fn may_lack(&self) -> bool {
        matches!(self, Self::Existing(_) | Self::Asked(_))
    }

    pub(super) fn rule(&self) -> UserRule {
        match self {
            Self::Any(_) => UserRule::Any,
            Self::Existing(_) => UserRule::Existing,
            Self::Asked(_) => UserRule::Asked,
            Self::Listed(_) => UserRule::Listed,
        }
    }

    /// The paths that single users have for themselves.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Template> {
        self.listed()
            .into_iter()
            .flat_map(ByAddress::values)
            .filter_map(|home| home.path.as_ref())
    }
}
