//! PHP-FPM in a folder of its own, with a pool of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use maiasaura::fastcgi::{Acknowledgement, Body, Bridge, Endpoint, Script, Settings};
use tempfile::TempDir;

use crate::house::eventually;
use crate::service::Service;

/// Enough for a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A pool with two workers.
const POOL: &str = "[global]
error_log = FOLDER/fpm.log
daemonize = no
[www]
listen = FOLDER/php.sock
listen.mode = 0666
pm = static
pm.max_children = 2
";

/// A running PHP-FPM, and the scripts of these tests in its folder.
pub struct Fpm {
    service: Option<Service>,
    folder: TempDir,
}

impl Fpm {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With these lines more about the pool. No php.ini is read: PHP is as it is built, and shows
    /// its errors in its output.
    pub fn with(lines: &str) -> Self {
        let folder = TempDir::with_prefix("maiasaura-php-").expect("a temporary folder");
        set_mode(folder.path(), 0o755);
        let user = if is_root() {
            "user = www-data\ngroup = www-data\n"
        } else {
            ""
        };
        let pool = POOL.replace("FOLDER", &folder.path().display().to_string());
        let file = folder.path().join("fpm.conf");
        fs::write(&file, format!("{pool}{user}{lines}\n")).expect("a file");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/php/scripts");
        for entry in fs::read_dir(scripts).expect("the scripts") {
            let from = entry.expect("a script").path();
            let to = folder.path().join(from.file_name().expect("its name"));
            fs::copy(&from, &to).expect("a copy");
            set_mode(&to, 0o644);
        }
        let mut fpm = Self {
            service: None,
            folder,
        };
        fpm.run();
        fpm
    }

    /// Starts it, again.
    pub fn run(&mut self) {
        let mut command = Command::new(binary());
        command.args(["-F", "-n", "-y"]).arg(self.path("fpm.conf"));
        self.service = Some(Service::start("fpm", &mut command, self.folder.path()));
        let socket = self.path("php.sock");
        eventually("PHP-FPM listens", || UnixStream::connect(&socket).is_ok());
    }

    /// Stops it.
    pub fn stop(&mut self) {
        drop(self.service.take());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that its workers can read.
    pub fn write(&self, name: &str, octets: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, octets).expect("a file");
        set_mode(&path, 0o644);
        path
    }

    /// Copies files of the package, which its workers can read.
    pub fn bring(&self, files: &[&str]) {
        for file in files {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let octets = fs::read(&from).unwrap_or_else(|error| panic!("{file}: {error}"));
            let name = from.file_name().expect("its name").to_string_lossy();
            self.write(&name, octets);
        }
    }

    /// Makes a folder that its workers can write to.
    pub fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a folder");
        set_mode(&path, 0o777);
        path
    }

    /// How the bridge is told to reach this script.
    pub fn settings(&self, script: &str) -> Settings {
        let script = Script {
            file: self.path(script),
            root: self.folder.path().to_owned(),
            uri: None,
        };
        Settings {
            endpoint: Endpoint::Unix(self.path("php.sock")),
            save: script.clone(),
            validate: script,
            body: Body::Raw,
            acknowledgement: Acknowledgement::Required,
            secret: None,
            connections: 2,
            connect_timeout: PATIENCE,
            timeout: PATIENCE,
            validate_timeout: PATIENCE,
        }
    }

    pub fn bridge(&self, script: &str) -> Bridge {
        Bridge::new(self.settings(script))
    }
}

/// `php-fpm8.2`, or whatever the version is.
pub fn binary() -> PathBuf {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    });
    let is_fpm = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with("php-fpm"))
    };
    let mut found: Vec<PathBuf> = files.filter(is_fpm).collect();
    found.sort();
    found
        .pop()
        .unwrap_or_else(|| panic!("php-fpm is missing; install it with: apt-get install php-fpm"))
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}
