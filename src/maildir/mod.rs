//! Maildirs: a message is written, made durable, and only then shown.
//!
//! One message in one Maildir goes through these states:
//!
//! | state | where | what holds |
//! |---|---|---|
//! | D1 | neither `tmp/` nor `new/` | nothing yet, or finished and taken by a reader |
//! | D2 staged | `tmp/` | written, invisible; a crash leaves at most a file in `tmp/` |
//! | D3 linked | `new/` | visible, not yet promised |
//! | D4 committed | `new/`, and the folder is synced | the promise may be given |
//!
//! [`Store::stage`] goes to D2 and holds everything that can reasonably fail; [`Store::commit`]
//! goes over D3 to D4, for all recipients of a message or for none; dropping a [`Staged`] message
//! aborts it. The order (sync the file, rename without replacing, sync the folder) is what keeps an
//! acknowledged message through a power cut: without the first sync a reader finds an empty file,
//! without the last the name itself is lost.
//!
//! With [`Durability::Journal`] a log stands before the Maildirs: what is recorded there may be
//! promised, and goes through these states a moment later (see [`Store::recover`]).
//!
//! Users own their Maildirs while this may run as root, so nothing below the root is ever reached
//! through a symbolic link, and every step is relative to an open directory.
//!
//! Everything here blocks and may be used by many threads at once. Errors keep the number the
//! kernel gave.

mod bundle;
mod cache;
mod commit;
mod eol;
mod file;
mod flush;
mod gates;
mod handle;
mod holding;
mod journal;
mod lane;
mod location;
mod maildirs;
mod make;
mod message;
mod name;
mod probe;
mod quota;
mod settings;
mod staged;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod threads;
mod unnamed;

pub use bundle::{Bundles, Look, bundle_of};
pub use eol::{Tally, append_lf, crlf_size, make_lf, to_lf};
pub use journal::{Backlog, JournalFailed, Recovered, Recovery};
pub use location::{Location, Owner};
pub use message::{Message, Stream};
pub use name::Names;
pub use probe::{FileSystem, ProbeError, describe, device, mount_point};
pub use quota::{OverQuota, Quota};
pub use settings::{Durability, Settings};
pub use staged::Staged;
pub use store::Store;
pub use sweep::{Swept, sweep};
