//! Every transcript again, over sockets: the same octets, the same replies and deliveries.

mod processor;

use std::io::{ErrorKind, Read as _, Write as _};
use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use maiasaura::config::{Auth as Login, Brackets, Config, Habit, Mode, Protocol as Spoken, Size};
use maiasaura::daemon::Daemon;
use maiasaura::server::{
    Access, Address, Encryption, Listener, PassedSockets, Server, Service, Shutdown, Trigger,
};
use maiasaura::smtp::{Auth, Profile, Protocol, StartTls, reply};
use maiasaura::tls::{self, Certificates};
use processor::World;

use crate::authority::{AUTHORITY, Authority, Nothing};
use crate::client::Stream;
use crate::player::{Pace, Transport, play};
use crate::transcript::{Dialogue, Heard};
use crate::transcripts::transcripts;
use crate::users;
use crate::world::{self, HOSTNAME};

/// The configuration of a server with this profile, in this world.
fn config(profile: &Profile) -> Config {
    let habit = |accept| if accept { Habit::Accept } else { Habit::Refuse };
    let mut config = Config {
        hostname: Some(profile.hostname.clone()),
        validate: vec!["World".into()],
        save: vec!["World".into()],
        ..Config::default()
    };
    config.listeners[0].protocol = match profile.protocol {
        Protocol::Smtp => Spoken::Smtp,
        Protocol::Lmtp => Spoken::Lmtp,
    };
    config.recipients.hosts = vec!["example.org".into(), "*.wild.example".into()];
    config.recipients.postmaster = Some("postmaster@example.org".into());
    config.limits.message_size = Size(profile.message_size);
    config.limits.recipients = profile.recipients;
    config.limits.errors = profile.errors;
    config.limits.idle_commands = profile.idle_commands;
    config.limits.messages_per_connection = profile.messages;
    config.smtp.bare_newlines = habit(profile.accept_bare_newlines);
    config.smtp.early_talkers = habit(!profile.refuse_early_talkers);
    config.listeners[0].tls.mode = Some(match profile.starttls {
        StartTls::Absent => Mode::Off,
        StartTls::Offered => Mode::StartTls,
        StartTls::Required => Mode::Required,
    });
    config.listeners[0].auth = match profile.auth {
        Auth::Absent => Login::Off,
        Auth::Offered => Login::Offered,
        Auth::Required => Login::Required,
    };
    if profile.lenient_paths {
        config.smtp.angle_brackets = Brackets::Optional;
    }
    // Who may use XCLIENT depends on the peer, not on the configuration alone.
    let configured = Profile {
        xclient: profile.xclient,
        ..config.profile(&config.listeners[0])
    };
    assert_eq!(configured, *profile);
    config
}

/// A connection to a server of its own.
struct Wire {
    stream: Stream,
    world: World,
    /// A server that has not begun to serve: what a client says before it is greeted must be there
    /// when it comes to greet.
    waiting: Option<(Listener, Arc<Service>, Shutdown)>,
    thread: Option<JoinHandle<()>>,
    trigger: Trigger,
    closed: bool,
}

impl Wire {
    fn connect(profile: Profile, address: &Address, encryption: Option<Encryption>) -> Self {
        let world = World::default();
        let mut config = config(&profile);
        // Certificates and users are there without files, see below.
        config.listeners = Config::default().listeners;
        let processor = world.clone();
        let mut service = Daemon::new(config)
            .processor("World", move || Ok(Arc::new(processor.clone())))
            .service()
            .expect("the configuration is sound");
        let is_plain = profile.starttls == StartTls::Absent;
        service.logins = (profile.auth != Auth::Absent).then(|| users::logins(is_plain));
        let bound = address
            .bind(&mut PassedSockets::from_env())
            .expect("the address is free");
        let stream = Stream::connect(bound.address()).expect("it listens");
        let (trigger, shutdown) = Shutdown::new();
        let listener = bound.serve(Arc::new(profile)).encrypted(encryption);
        Self {
            stream,
            world,
            waiting: Some((listener, Arc::new(service), shutdown)),
            thread: None,
            trigger,
            closed: false,
        }
    }

    fn serve(&mut self) {
        if let Some((listener, service, shutdown)) = self.waiting.take() {
            self.thread = Some(thread::spawn(|| {
                let executor = Arc::new(smol::Executor::new());
                let server = Server::new(Arc::clone(&executor), shutdown);
                let serve = async {
                    server.open(vec![listener], service).await;
                    server.finish().await;
                };
                smol::block_on(executor.run(serve));
            }));
        }
    }

    /// Says that nothing more comes, and hears the rest.
    fn finish(mut self) -> Heard {
        let _ = self.stream.say_goodbye();
        let rest = self.listen(&|heard| heard.closed);
        self.trigger.pull();
        let thread = self.thread.take().expect("it has served");
        thread.join().expect("the server does not panic");
        rest
    }
}

impl Transport for Wire {
    /// Whoever has closed is told nothing.
    fn send(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets);
    }

    fn listen(&mut self, enough: &dyn Fn(&Heard) -> bool) -> Heard {
        self.serve();
        let (mut heard, mut said) = (Heard::default(), Vec::new());
        let mut buffer = vec![0; 64 * 1024];
        while !self.closed && !enough(&heard) {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(count) => said.extend_from_slice(&buffer[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                    ) =>
                {
                    self.closed = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            heard.replies = as_written(&said);
            heard.closed = self.closed;
        }
        let taken = mem::take(&mut *self.world.0.lock().expect("nobody panics with it"));
        heard.deliveries = taken
            .into_iter()
            .map(|taken| taken.delivery().to_string())
            .collect();
        heard
    }

    fn shut_down(&mut self) {
        self.trigger.pull();
    }

    fn handshake(&mut self) {
        let config = AUTHORITY.client();
        let outcome = self.stream.secure(&config, HOSTNAME);
        outcome.unwrap_or_else(|error| panic!("no handshake: {error}"));
    }
}

/// Replies as the transcripts have them, where a message has no name.
fn as_written(said: &[u8]) -> Vec<u8> {
    let stored = reply::STORED.to_string();
    let lines = said.split_inclusive(|&octet| octet == b'\n');
    lines
        .flat_map(|line| {
            if line.starts_with(b"250 2.0.0 Ok: queued as ") && line.ends_with(b"\r\n") {
                [stored.as_bytes(), b"\r\n"].concat()
            } else {
                line.to_vec()
            }
        })
        .collect()
}

/// Plays a dialogue over a socket and says where it went otherwise than written.
fn check(dialogue: &Dialogue, pace: Pace, address: &Address) -> Result<(), String> {
    let encryption = match dialogue.setting("tls") {
        None => None,
        Some("not ready") => Some(Arc::new(Nothing) as _),
        Some(_) => Some(Authority::certificates()),
    };
    let wire = |profile| Wire::connect(profile, address, encryption.map(|it| encrypted(it, false)));
    converse(dialogue, pace, wire)
}

/// As `check`, where the connection is encrypted from the first octet on.
fn check_encrypted(dialogue: &Dialogue, pace: Pace) -> Result<(), String> {
    converse(dialogue, pace, |profile| {
        let encryption = encrypted(Authority::certificates(), true);
        let mut wire = Wire::connect(profile, &any_port(), Some(encryption));
        wire.serve();
        wire.handshake();
        wire
    })
}

fn encrypted(certificates: Arc<dyn Certificates>, implicit: bool) -> Encryption {
    let settings = tls::Settings {
        pairs: Vec::new(),
        min_version: tls::Version::Tls12,
        demand: tls::Demand::Nothing,
    };
    let offer = tls::Offer::with(certificates, settings).expect("nothing can be wrong with it");
    Encryption {
        offer: Arc::new(offer),
        implicit,
    }
}

fn converse(
    dialogue: &Dialogue,
    pace: Pace,
    connect: impl FnOnce(Profile) -> Wire,
) -> Result<(), String> {
    let profile = world::profile(&dialogue.settings)?;
    assert_eq!(profile.hostname, HOSTNAME);
    let turns = pace.turns(dialogue);
    let mut wire = connect(profile);
    let mut heard = play(&turns, pace, &mut wire);
    let rest = wire.finish();
    let last = heard.last_mut().expect("every dialogue has a turn");
    last.replies.extend(rest.replies);
    last.deliveries.extend(rest.deliveries);
    let mut all = turns.iter().zip(&heard);
    all.try_for_each(|(turn, heard)| turn.check(heard))
        .map_err(|difference| format!("== {} ({pace:?})\n{difference}", dialogue.title))
}

fn check_all(pace: Pace, address: &Address) {
    let mut differences = Vec::new();
    for (path, dialogues) in transcripts() {
        let fits = |it: &Dialogue| pace == Pace::LockStep || it.may_be_cut();
        for dialogue in dialogues.into_iter().filter(fits) {
            if let Err(difference) = check(&dialogue, pace, address) {
                differences.push(format!("{}\n{difference}", path.display()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

fn any_port() -> Address {
    Address::Tcp(([127, 0, 0, 1], 0).into())
}

#[test]
fn every_dialogue_goes_as_written_in_lock_step() {
    check_all(Pace::LockStep, &any_port());
}

#[test]
fn every_dialogue_goes_as_written_all_at_once() {
    check_all(Pace::Pieces(usize::MAX), &any_port());
}

#[test]
fn every_dialogue_goes_as_written_in_pieces() {
    check_all(Pace::Pieces(61), &any_port());
}

/// But for those that are about the way to an encrypted connection, or what is said before one is
/// greeted, as a handshake comes first.
#[test]
fn every_dialogue_goes_as_written_within_tls() {
    let mut differences = Vec::new();
    for pace in [Pace::LockStep, Pace::Pieces(usize::MAX), Pace::Pieces(61)] {
        for (path, dialogues) in transcripts() {
            let fits = |it: &&Dialogue| {
                let begins = it.turns.first().is_some_and(|turn| turn.octets.is_empty());
                let is_plain = it.setting("tls").is_none();
                begins && is_plain && !it.to_string().contains("STARTTLS")
            };
            for dialogue in dialogues.iter().filter(fits) {
                if let Err(difference) = check_encrypted(dialogue, pace) {
                    differences.push(format!("{}\n{difference}", path.display()));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn every_dialogue_goes_as_written_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let socket = folder.path().join("socket");
    check_all(
        Pace::LockStep,
        &Address::Unix(socket.clone(), Access::with_mode(0o600)),
    );
    assert!(!socket.exists(), "the file of the socket is left behind");
}
