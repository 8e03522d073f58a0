//! Exit codes (sysexits.h), as mail programs expect them of each other.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::smtp::reply;

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 64: wrong arguments.
    Usage,
    /// 65: the message itself is at fault.
    DataErr,
    /// 66: there is no such letter.
    NoInput,
    /// 67: there is no such recipient.
    NoUser,
    /// 69: an address cannot be listened on.
    Unavailable,
    /// 70: a fault of ours.
    Software,
    /// 74: reading the message failed.
    IoErr,
    /// 75: it may work later.
    TempFail,
    /// 77: over quota.
    NoPerm,
    /// 78: the configuration.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Usage => 64,
            Exit::DataErr => 65,
            Exit::NoInput => 66,
            Exit::NoUser => 67,
            Exit::Unavailable => 69,
            Exit::Software => 70,
            Exit::IoErr => 74,
            Exit::TempFail => 75,
            Exit::NoPerm => 77,
            Exit::Config => 78,
        })
    }
}

/// What a program that hands us mail is told for a failure. Whatever may pass is
/// a reason to try again.
impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        let reply = &failure.reply;
        if *reply == reply::MAILBOX_FULL {
            Self::NoPerm
        } else if reply.is_transient() {
            Self::TempFail
        } else if *reply == reply::USER_UNKNOWN || *reply == reply::RELAYING_DENIED {
            Self::NoUser
        } else {
            Self::DataErr
        }
    }
}
