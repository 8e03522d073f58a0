//! Where a Maildir lies.
use std::path::Path;
use std::sync::Arc;

/// One Maildir: `root/components.../`, or its Maildir++ folder `.folder`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The folder below which no link is followed.
    pub root: Arc<Path>,
    /// File names, one per level.
    pub components: Vec<String>,
    /// Maildir++ folder, without its leading dot.
    pub folder: Option<String>,
    /// Whose files these are.
    pub owner: Option<Owner>,
    /// Whether it may be made on the fly.
    pub create: bool,
    /// Its limit.
    pub quota: Option<Quota>,
}

/// The owner of a Maildir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// How much a Maildir may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Octets.
    pub storage: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}
