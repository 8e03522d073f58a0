//! How much waits in a queue, without looking into letters.

use std::fs;
use std::io;

use super::Queue;

/// How much waits in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Letters that wait or are under way.
    pub letters: u64,
    /// When the oldest was put there, in seconds since 1970.
    pub oldest: Option<u64>,
}

impl Queue {
    /// Counts the letters by their names.
    ///
    /// # Errors
    ///
    /// Those of the kernel. A queue that is not there is empty.
    pub fn census(&self) -> io::Result<Census> {
        let entries = match fs::read_dir(self.letters_folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Census::default()),
            entries => entries?,
        };
        let mut census = Census::default();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(time) = name.to_str().and_then(Self::time) {
                let time = time / 1000;
                census.letters += 1;
                census.oldest = Some(census.oldest.map_or(time, |oldest| oldest.min(time)));
            }
        }
        Ok(census)
    }
}
