//! Why an address leads where it leads, for people to read.

use std::collections::BTreeMap;
use std::fmt;

use crate::envelope::{Destination, Recipient};
use crate::failure::Failure;
use crate::smtp::address::{Domain, ForwardPath, Mailbox};
use crate::smtp::reply;

/// The way of one address through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The address.
    pub path: ForwardPath,
    /// The rules that held, in order.
    pub steps: Vec<Step>,
    /// Where they led.
    pub outcome: Result<Recipient, Failure>,
}

/// One rule that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The host is ours.
    Host {
        /// The host.
        domain: Domain,
        /// The pattern that says so; none for a postmaster at our own name.
        pattern: Option<String>,
        /// What its captures stand for.
        captures: BTreeMap<String, String>,
    },
    /// The host is not ours.
    ForeignHost(Domain),
    /// The address stands for others.
    Alias {
        /// The address.
        address: Mailbox,
        /// What it stands for.
        targets: Vec<Mailbox>,
    },
    /// The postmaster of that host is this one.
    Postmaster(Mailbox),
    /// The mailbox exists by that rule.
    User(Mailbox, UserRule),
    /// Nobody of that name; this mailbox takes the mail.
    CatchAll(Mailbox),
    /// Nobody of that name.
    UnknownUser(Mailbox),
}

/// Why a mailbox exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRule {
    /// Everybody has one.
    Any,
    /// It does when its Maildir is there.
    Existing,
    /// It does when a source outside of the configuration says so.
    Asked,
    /// It is among the users.
    Listed,
    /// Every host has a postmaster (RFC 5321 section 4.5.1).
    Postmaster,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        match &self.outcome {
            Ok(recipient) => {
                for destination in &recipient.destinations {
                    write_destination(f, destination)?;
                }
                write!(f, "  reply    {}", reply::RECIPIENT_OK)
            }
            Err(failure) => write!(f, "  reply    {failure}"),
        }
    }
}

/// One line for each Maildir that may take the mail.
fn write_destination(f: &mut fmt::Formatter<'_>, first: &Destination) -> fmt::Result {
    let mut label = "maildir ";
    let mut next = Some(first);
    while let Some(destination) = next {
        let location = &destination.location;
        let mut path = location.root.to_path_buf();
        path.extend(&location.components);
        if let Some(folder) = &location.folder {
            path.push(format!(".{folder}"));
        }
        let presence = if location.create {
            "made when needed"
        } else {
            "if it exists"
        };
        writeln!(
            f,
            "  {label} {} for {} ({presence})",
            path.display(),
            destination.mailbox
        )?;
        label = "    else";
        next = destination.otherwise.as_deref();
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host {
                domain,
                pattern: Some(pattern),
                captures,
            } => {
                write!(f, "  host     {domain} is ours by the pattern {pattern}")?;
                for (name, value) in captures {
                    write!(f, ", {name}={value}")?;
                }
                Ok(())
            }
            Self::Host { domain, .. } => {
                write!(f, "  host     {domain} is our own name, for its postmaster")
            }
            Self::ForeignHost(domain) => {
                write!(f, "  host     {domain} is not ours: no pattern matches")
            }
            Self::Alias { address, targets } => {
                let targets: Vec<String> = targets.iter().map(Mailbox::to_string).collect();
                write!(f, "  alias    {address} stands for {}", targets.join(", "))
            }
            Self::Postmaster(mailbox) => write!(f, "  alias    the postmaster is {mailbox}"),
            Self::User(mailbox, rule) => write!(f, "  user     {mailbox}: {rule}"),
            Self::CatchAll(mailbox) => {
                write!(f, "  user     unknown; the catch-all is {mailbox}")
            }
            Self::UnknownUser(mailbox) => {
                write!(
                    f,
                    "  user     {mailbox} is unknown, and there is no catch-all"
                )
            }
        }
    }
}

impl fmt::Display for UserRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "everybody has a mailbox",
            Self::Existing => "who has a Maildir has a mailbox",
            Self::Asked => "is asked about outside of the configuration",
            Self::Listed => "is among the users",
            Self::Postmaster => "every host has a postmaster",
        })
    }
}
