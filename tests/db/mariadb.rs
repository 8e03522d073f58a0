//! MariaDB in a folder of its own, and databases in it.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::house::eventually;
use crate::service::Service;

/// What every server is told: small, and as durable as it is by default.
const OPTIONS: [&str; 8] = [
    "--skip-networking",
    "--skip-log-bin",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=24M",
    "--innodb-flush-log-at-trx-commit=1",
    "--performance-schema=OFF",
    "--character-set-server=latin1",
    "--loose-innodb-use-native-aio=0",
];

/// A server; it is stopped when it is dropped.
pub struct Server {
    service: Mutex<Option<Service>>,
    mounted: Option<Mounted>,
    folder: TempDir,
    options: Vec<String>,
}

/// A file system that is mounted there.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A database of one test, and the server that it is in.
pub struct Database {
    pub server: Arc<Server>,
    pub name: String,
}

impl Server {
    /// One that several tests share; each has a database of its own.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Self::start(&[]);
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// One of its own, with these options more.
    pub fn start(options: &[&str]) -> Arc<Self> {
        let server = Self::prepare(options);
        fs::create_dir(server.path("data")).expect("a folder");
        Arc::new(server.begin())
    }

    /// One on a disk of its own, which has little room left.
    pub fn on_small_disk() -> Arc<Self> {
        let mut server = Self::prepare(&[]);
        let data = server.path("data");
        fs::create_dir(&data).expect("a folder");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=160M", "none"])
            .arg(&data);
        let mounted = mount.status().expect("mount can be started");
        assert!(mounted.success(), "mounting needs root: run this with sudo");
        server.mounted = Some(Mounted(data));
        let server = server.begin();
        let ballast = vec![0; 1 << 20];
        let file = fs::File::create(server.path("data/ballast")).expect("a file");
        let room = || {
            let disk = rustix::fs::statvfs(server.path("data")).expect("a disk");
            disk.f_bavail * disk.f_frsize
        };
        while room() > 12 << 20 {
            (&file).write_all(&ballast).expect("there is room still");
        }
        Arc::new(server)
    }

    /// Makes room on a small disk.
    pub fn make_room(&self) {
        fs::remove_file(self.path("data/ballast")).expect("it is there");
    }

    fn prepare(options: &[&str]) -> Self {
        Self {
            service: Mutex::default(),
            mounted: None,
            folder: TempDir::with_prefix("maiasaura-db-").expect("a temporary folder"),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        }
    }

    fn begin(self) -> Self {
        copy(template(), &self.path("data"));
        self.run();
        self
    }

    /// Starts it, again.
    pub fn run(&self) {
        let mut command = Command::new("mariadbd");
        command
            .arg("--no-defaults")
            .arg(option("datadir", &self.path("data")))
            .arg(option("socket", &self.socket()))
            .arg(option("pid-file", &self.path("pid")))
            .args(OPTIONS)
            .args(&self.options);
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        let service = Service::start("mariadbd", &mut command, self.folder.path());
        *self.service.lock().expect("nobody panics with it") = Some(service);
        let socket = self.socket();
        eventually("MariaDB listens", || UnixStream::connect(&socket).is_ok());
    }

    /// Kills it as a power cut would, but for the disk.
    pub fn kill(&self) {
        let service = self.service.lock().expect("nobody panics with it").take();
        if let Some(mut service) = service {
            service.signal(Signal::KILL);
            service.end();
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What its own client says to some statements: columns divided by tabs, rows by line ends.
    #[track_caller]
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.client(database, statements);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {complaint}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim_end()
            .to_owned()
    }

    fn client(&self, database: &str, statements: &str) -> Output {
        let mut command = Command::new("mariadb");
        command
            .args([
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--user=root",
            ])
            .arg("--default-character-set=utf8mb4")
            .arg(option("socket", &self.socket()))
            .args(["-e", statements, database]);
        command
            .output()
            .expect("the client of MariaDB can be started")
    }

    /// A database for one test, empty, with a user who may use nothing else.
    pub fn database(self: &Arc<Self>) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mail{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql(
            "mysql",
            &format!(
                "CREATE DATABASE {name}; CREATE USER {name}@localhost IDENTIFIED BY 'secret-of-{name}'; \
                 GRANT ALL ON {name}.* TO {name}@localhost"
            ),
        );
        Database {
            server: Arc::clone(self),
            name,
        }
    }
}

impl Database {
    /// With a new table, as `schema mysql` makes it.
    pub fn with_table() -> Self {
        let database = Server::shared().database();
        database.make_table();
        database
    }

    pub fn make_table(&self) {
        let settings = self.settings();
        self.sql(&maiasaura::mysql::create(&settings));
    }

    pub fn settings(&self) -> maiasaura::mysql::Settings {
        let yaml = format!("{{{}}}", self.keys());
        let yaml = format!("mysql: {yaml}");
        let config =
            maiasaura::Config::parse(&yaml, "test", &maiasaura::config::Environment::default());
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        config
            .mysql_settings()
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The keys of the section that lead here.
    pub fn keys(&self) -> String {
        let (name, socket) = (&self.name, self.server.socket());
        format!(
            // Quoted, so that nobody takes it for where a listener is.
            "\"address\": \"unix:{}\", user: {name}, password: secret-of-{name}, database: {name}",
            socket.display()
        )
    }

    /// A section that leads here, with these keys more.
    pub fn section(&self, keys: &str) -> String {
        format!("mysql: {{{}, {keys}}}\n", self.keys())
    }

    #[track_caller]
    pub fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.name, statements)
    }

    #[track_caller]
    pub fn count(&self) -> usize {
        let count = self.sql("SELECT COUNT(*) FROM new_mail");
        count.parse().expect("a number")
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// A folder of data as it is after the installation, made once.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mariadb");
        if place.exists() {
            return place;
        }
        let parent = place.parent().expect("it has one");
        fs::create_dir_all(parent).expect("a folder");
        let made = TempDir::with_prefix_in("mariadb-", parent).expect("a folder");
        let mut command = Command::new("mariadb-install-db");
        command
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg("--innodb-log-file-size=8M")
            .arg(option("datadir", made.path()));
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        let output = command.output().unwrap_or_else(|_| {
            panic!("MariaDB is missing; install it with: apt-get install mariadb-server")
        });
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        // Another run may have been faster.
        if fs::rename(made.path(), &place).is_ok() {
            let _ = made.keep();
        }
        place
    })
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has one").is_dir() {
            fs::create_dir(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

/// Works on something at the same time, so many times.
pub fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect()
    })
}
