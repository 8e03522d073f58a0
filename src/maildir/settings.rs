//! How messages are stored.

/// What is synced before a message counts as delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The message, its folder, and every folder made for it: what was committed is there after a
    /// power cut.
    #[default]
    Full,
    /// A record of the message in a log, from which it is delivered soon after: as durable as
    /// `Full` where [`Store::recover`](super::Store::recover) has opened the log, and exactly as `Full` elsewhere.
    Journal,
    /// The message only, so that it is whole if it is there; a power cut can take away its name.
    File,
    /// Nothing.
    None,
}

impl Durability {
    /// Whether folders are synced, too.
    pub(super) fn syncs_folders(self) -> bool {
        matches!(self, Self::Full | Self::Journal)
    }
}

/// How a [`Store`](super::Store) works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is synced.
    pub durability: Durability,
    /// The mode of messages.
    pub file_mode: u32,
    /// The mode of the folders that are made.
    pub directory_mode: u32,
    /// The name of this host, for unique names.
    pub host: String,
    /// Whether a root that is missing is an error (a disk that is not mounted, say) rather than
    /// made.
    pub require_root: bool,
    /// How many Maildirs are kept open; each takes two descriptors, with a quota three.
    pub cached_maildirs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            file_mode: 0o600,
            directory_mode: 0o700,
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            require_root: false,
            cached_maildirs: 1000,
        }
    }
}
