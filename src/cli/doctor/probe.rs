//! A script that tells how PHP is set up. It is there for a moment, and tells nobody else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fastcgi::Output;

/// `$_SERVER` has `MAIL_ID` from us alone: what a web server takes from a client begins with HTTP_.
const SCRIPT: &str = r"<?php
if (($_SERVER['MAIL_ID'] ?? '') !== 'TOKEN') {
    exit(http_response_code(404));
}
$ini = [];
foreach ([NAMES] as $name) {
    $ini[$name] = (string) ini_get($name);
}
$seen = [];
foreach ([PATHS] as $path) {
    $seen[] = ['exists' => @file_exists($path), 'readable' => @is_readable($path)];
}
$file = @tmpfile();
$uid = $file ? fstat($file)['uid'] : null;
echo 'TOKEN', json_encode(['version' => PHP_VERSION, 'uid' => $uid, 'ini' => $ini, 'seen' => $seen]), 'TOKEN';
";

/// What is looked at.
const NAMES: [&str; 8] = [
    "post_max_size",
    "upload_max_filesize",
    "max_file_uploads",
    "file_uploads",
    "memory_limit",
    "max_execution_time",
    "open_basedir",
    "display_errors",
];

/// The script in a folder; it is removed when this is dropped.
pub(super) struct Probe {
    path: PathBuf,
    token: String,
}

/// How PHP is set up.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) version: String,
    /// As whom it runs, if it can make files.
    pub(super) uid: Option<u32>,
    pub(super) ini: BTreeMap<String, String>,
    /// For each path that was asked for.
    pub(super) seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) exists: bool,
    pub(super) readable: bool,
}

impl Probe {
    /// Puts it into a folder, asking for these paths.
    pub(super) fn put(folder: &Path, paths: &[PathBuf]) -> io::Result<Self> {
        let token = format!("maiasaura-probe-{:016x}", RandomState::new().hash_one(()));
        let path = folder.join(format!("{token}.php"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let probe = Self { path, token };
        let names = NAMES.map(quoted).join(", ");
        let paths: Vec<_> = paths
            .iter()
            .map(|path| quoted(&path.to_string_lossy()))
            .collect();
        let script = SCRIPT
            .replace("TOKEN", &probe.token)
            .replace("NAMES", &names)
            .replace("PATHS", &paths.join(", "));
        file.write_all(script.as_bytes())?;
        // PHP runs as somebody else, and the umask does not count.
        fs::set_permissions(&probe.path, Permissions::from_mode(0o644))?;
        Ok(probe)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// What it has said; nothing if it was not run.
    pub(super) fn read(&self, output: &Output) -> Option<Found> {
        let said = String::from_utf8_lossy(&output.stdout);
        let json = said.split(&self.token).nth(1)?;
        serde_json::from_str(json).ok()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A string of PHP.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_where_they_should() {
        assert_eq!(quoted(r"/a'b\c"), r"'/a\'b\\c'");
    }
}
