//! Where a Maildir is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Quota;

/// One Maildir: `root/components...`, or its Maildir++ sub-folder `.folder`.
///
/// The components and the folder are single file names that are already encoded; whoever makes a
/// `Location` answers for that. They are checked again all the same before they are used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The folder under which all Maildirs are. It belongs to the operator and may be reached
    /// through links.
    pub root: Arc<Path>,
    /// The way from the root to the Maildir, one file name each; at least one.
    pub components: Vec<String>,
    /// The Maildir++ sub-folder, without its leading dot.
    pub folder: Option<String>,
    /// Who shall own the Maildir when it is made, and every message in it.
    pub owner: Option<Owner>,
    /// Whether the Maildir may be made when it is not there.
    pub create: bool,
    /// What the Maildir, with its sub-folders, may hold.
    pub quota: Option<Quota>,
}

/// The owner of a Maildir, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Location {
    /// The path of the Maildir, for people; it is never opened by this path.
    pub fn path(&self) -> PathBuf {
        let mut path = self.root.to_path_buf();
        path.extend(&self.components);
        path.extend(self.folder_name());
        path
    }

    /// Refuses, with `InvalidInput`, a name that could lead anywhere but one step down.
    pub(super) fn check(&self) -> io::Result<()> {
        let folder = self.folder_name();
        let names = || self.components.iter().chain(&folder);
        if self.components.is_empty()
            || !names().all(|name| is_plain(name))
            || self.folder.as_deref() == Some("")
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a Maildir's path needs plain file names",
            ));
        }
        Ok(())
    }

    /// The name of the sub-folder on disk, with its dot.
    pub(super) fn folder_name(&self) -> Option<String> {
        self.folder.as_ref().map(|folder| format!(".{folder}"))
    }
}

/// Whether `name` is one file name: no way up, no separator, not longer than file systems take (255
/// octets).
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(components: &[&str], folder: Option<&str>) -> Location {
        Location {
            root: Path::new("/nowhere").into(),
            components: components.iter().map(ToString::to_string).collect(),
            folder: folder.map(str::to_string),
            owner: None,
            create: false,
            quota: None,
        }
    }

    #[test]
    fn plain_names_pass() {
        let longest = "x".repeat(255);
        for components in [
            &["a"] as &[_],
            &["example.org", "jane"],
            &["...", "a:b", &longest],
        ] {
            location(components, None).check().unwrap();
        }
        location(&["a"], Some("lists.rust")).check().unwrap();
        location(&["a"], Some(&"x".repeat(254))).check().unwrap();
    }

    #[test]
    fn other_names_are_refused() {
        let long = "x".repeat(256);
        for bad in ["", ".", "..", "/", "a/b", "../x", "a\0", &long] {
            let kind = location(&["a", bad], None).check().unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::InvalidInput, "{bad:?}");
        }
        for bad in ["", ".", "a/b", "\0", &long[..255]] {
            assert!(location(&["a"], Some(bad)).check().is_err(), "{bad:?}");
        }
        assert!(location(&[], None).check().is_err());
    }
}
