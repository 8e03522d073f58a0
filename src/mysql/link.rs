//! Connections to the server: a few, kept, made again when they break; and none is tried while the
//! server was found to be down a moment ago.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use smol::Timer;
use smol::future::or;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Error, Executor as _};

use super::fault::{Fault, Kind};
use super::settings::{Endpoint, Settings, Tls};
use crate::health::Part;
use crate::locks::{lock, woken};

/// The pause after the first failure; each is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so long without a word from the server it is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(2);
/// Statements that a connection keeps prepared: one for each number of rows, and some.
const STATEMENTS: usize = 128;

/// The connections to a server.
pub(super) struct Links {
    settings: Settings,
    options: MySqlConnectOptions,
    rack: Mutex<Rack>,
    freed: Condvar,
}

#[derive(Default)]
struct Rack {
    idle: Vec<MySqlConnection>,
    /// Connections that are in use, or being made.
    used: usize,
    /// Failures in a row.
    failures: u32,
    /// Before that nobody tries, after a failure.
    again: Option<Instant>,
    why: Option<Fault>,
    /// When the server last did what it was asked.
    heard: Option<Instant>,
    /// Its line on the board, if it has one.
    part: Option<Part>,
}

/// One connection, and how long a statement on it may take.
pub(super) struct Link {
    pub(super) connection: MySqlConnection,
    pub(super) timeout: Duration,
}

/// What may be laid to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// All that keeps mail from being written.
    All,
    /// That it does not answer; the statement is somebody else's.
    Silence,
}

impl Links {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            options: options(&settings),
            settings,
            rack: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Does `work` with a connection, and once more with a new one if the old one turns out to be
    /// broken.
    pub(super) fn with<T>(
        &self,
        blame: Blame,
        mut work: impl FnMut(&mut Link) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        loop {
            let (connection, is_new, seat) = self.take()?;
            let mut link = Link {
                connection,
                timeout: self.settings.timeout,
            };
            match work(&mut link) {
                Ok(done) => {
                    seat.give_back(Some(link.connection), None);
                    return Ok(done);
                }
                Err(fault) if fault.kind == Kind::Broken && !is_new => {
                    // The others are from before, too.
                    lock(&self.rack).idle.clear();
                    seat.give_back(None, None);
                }
                Err(fault) => {
                    let is_usable = !matches!(fault.kind, Kind::Broken | Kind::Late);
                    let is_blamed = !is_usable || (fault.kind == Kind::Down && blame == Blame::All);
                    // After a change of rights only a new one has them.
                    let connection = (!is_blamed).then_some(link.connection);
                    seat.give_back(connection, is_blamed.then(|| fault.clone()));
                    return Err(fault);
                }
            }
        }
    }

    /// Looks whether the server answers, unless it has done so just now.
    pub(super) fn alive(&self) -> Result<(), Fault> {
        {
            let rack = lock(&self.rack);
            let heard = rack.heard.is_some_and(|heard| heard.elapsed() < SILENCE);
            if heard && rack.failures == 0 {
                return Ok(());
            }
        }
        self.with(Blame::All, |link| {
            let timeout = link.timeout;
            wait("an answer", timeout, link.connection.ping())
        })
    }

    /// Tells on a board how it is, from now on.
    pub(super) fn telling(&self, part: Part) {
        let mut rack = lock(&self.rack);
        match &rack.why {
            Some(why) => part.ill(why),
            // The line may be that of a database from before, which was not well.
            None => part.well(),
        };
        rack.part = Some(part);
    }

    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.rack).why.as_ref().map(ToString::to_string)
    }

    /// A connection, whether it is new, and its seat.
    fn take(&self) -> Result<(MySqlConnection, bool, Seat<'_>), Fault> {
        let deadline = Instant::now() + self.settings.timeout;
        let mut rack = lock(&self.rack);
        loop {
            rack.may_try(Instant::now())?;
            if let Some(connection) = rack.idle.pop() {
                rack.used += 1;
                return Ok((connection, false, Seat(self)));
            }
            if rack.used < self.settings.connections.max(1) {
                rack.used += 1;
                break;
            }
            rack = self.wait_for_one(rack, deadline)?;
        }
        let seat = Seat(self);
        drop(rack);
        let connected = wait(
            "a connection",
            self.settings.connect_timeout,
            connect(&self.options, self.settings.timeout),
        );
        match connected {
            Ok(connection) => Ok((connection, true, seat)),
            Err(fault) => {
                let endpoint = &self.settings.endpoint;
                let message = format!("{endpoint}: {}", fault.message);
                let fault = Fault::new(fault.kind, message);
                seat.give_back(None, Some(fault.clone()));
                Err(fault)
            }
        }
    }

    fn wait_for_one<'a>(
        &self,
        rack: MutexGuard<'a, Rack>,
        deadline: Instant,
    ) -> Result<MutexGuard<'a, Rack>, Fault> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = "all connections are in use; raise mysql.connections, or see why the server is slow";
            return Err(Fault::new(Kind::Down, message));
        }
        Ok(woken(self.freed.wait_timeout(rack, left)).0)
    }
}

/// Says goodbye to the server, which complains of who goes without a word. That takes a packet each, and
/// nothing is waited for.
impl Drop for Links {
    fn drop(&mut self) {
        let idle = mem::take(&mut lock(&self.rack).idle);
        for connection in idle {
            let _ = wait("a goodbye", FIRST_PAUSE, connection.close());
        }
    }
}

/// One of the connections that there may be, until it is given back or its thread panics.
struct Seat<'a>(&'a Links);

impl Seat<'_> {
    fn give_back(self, connection: Option<MySqlConnection>, fault: Option<Fault>) {
        let mut rack = lock(&self.0.rack);
        match fault {
            Some(fault) => rack.foul(fault, Instant::now()),
            None if connection.is_some() => rack.fair(Instant::now()),
            None => {}
        }
        rack.idle.extend(connection);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        lock(&self.0.rack).used -= 1;
        self.0.freed.notify_all();
    }
}

impl Rack {
    /// Whether somebody may use the server: after a failure one at a time, ever more seldom.
    fn may_try(&mut self, now: Instant) -> Result<(), Fault> {
        let (Some(again), Some(why)) = (self.again, &self.why) else {
            return Ok(());
        };
        if now < again {
            let message = format!("{}; it is left alone for a moment", why.message);
            return Err(Fault::new(Kind::Down, message));
        }
        self.again = Some(now + self.pause());
        Ok(())
    }

    fn pause(&self) -> Duration {
        let doubled = self.failures.saturating_sub(1).min(8);
        LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow(doubled))
    }

    fn foul(&mut self, fault: Fault, now: Instant) {
        if self.failures == 0 {
            log::error!(error:% = fault; "MySQL cannot be used");
        }
        if let Some(part) = &self.part {
            part.ill(&fault);
        }
        self.failures = self.failures.saturating_add(1);
        self.again = Some(now + self.pause());
        self.why = Some(fault);
        self.idle.clear();
    }

    fn fair(&mut self, now: Instant) {
        if self.failures > 0 {
            log::warn!(failures = self.failures; "MySQL can be used again");
        }
        // The failure on its line may be that of a database from before.
        if let Some(part) = &self.part {
            part.well();
        }
        self.failures = 0;
        (self.again, self.why) = (None, None);
        self.heard = Some(now);
    }
}

/// Waits for the server, only so long.
pub(super) fn wait<T>(
    what: &str,
    time: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    smol::block_on(or(async { work.await.map_err(Fault::from) }, async {
        Timer::after(time).await;
        Err(Fault::too_late(what, time))
    }))
}

async fn connect(
    options: &MySqlConnectOptions,
    timeout: Duration,
) -> Result<MySqlConnection, Error> {
    let mut connection = options.connect().await?;
    // What is inserted is committed, whatever the server does by itself; and it gives up on a lock before
    // we do, and says so.
    let seconds = timeout.as_secs().saturating_sub(1).max(1);
    let session = format!(
        "SET SESSION autocommit = 1, lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}"
    );
    connection.execute(AssertSqlSafe(session)).await?;
    Ok(connection)
}

fn options(settings: &Settings) -> MySqlConnectOptions {
    let options = MySqlConnectOptions::new()
        .username(&settings.user)
        .database(&settings.database)
        .charset("utf8mb4")
        .statement_cache_capacity(STATEMENTS)
        // Times and modes are those of the server, as they are for whoever reads the table.
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    let options = match &settings.endpoint {
        Endpoint::Unix(path) => options.socket(path),
        Endpoint::Tcp(host, port) => options.host(host).port(*port),
    };
    let options = match &settings.password {
        Some(password) => options.password(password),
        None => options,
    };
    match &settings.tls {
        Tls::Off => options.ssl_mode(MySqlSslMode::Disabled),
        Tls::Preferred => options.ssl_mode(MySqlSslMode::Preferred),
        Tls::Required => options.ssl_mode(MySqlSslMode::Required),
        Tls::Verified(ca) => {
            let options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
            match ca {
                Some(ca) => options.ssl_ca(ca),
                None => options,
            }
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Links({:?})", self.settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_down_is_left_alone_ever_longer() {
        let mut rack = Rack::default();
        let start = Instant::now();
        assert_eq!(rack.may_try(start), Ok(()));
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            rack.foul(Fault::new(Kind::Broken, "gone"), now);
            let refused = rack.may_try(now).unwrap_err();
            assert_eq!(refused.message, "gone; it is left alone for a moment");
            let again = rack.again.unwrap();
            pauses.push((again - now).as_millis());
            now = again;
            assert_eq!(rack.may_try(now), Ok(()), "one may try");
            assert!(rack.may_try(now).is_err(), "but only one");
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        rack.fair(now);
        assert_eq!((rack.may_try(now), rack.failures), (Ok(()), 0));
    }
}
