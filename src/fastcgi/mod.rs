//! The bridge to a PHP application: mail goes to PHP-FPM over FastCGI, without a
//! web server in between.
//!
//! [`Bridge::hand`] gives one [`Letter`] to PHP, once, and says what became of
//! it: an [`Answer`]. [`Bridge::ask`] asks about a recipient. Neither keeps
//! anything or tries again: who calls decides when.
//!
//! In the sources the protocol is in `records`, a request and its answer in
//! `guard`, time in `exchange`.

mod answer;
mod body;
mod endpoint;
mod exchange;
mod guard;
mod letter;
mod parameters;
mod records;
mod settings;
mod signature;
mod spot;

use std::io;
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use smol::lock::Semaphore;

pub use endpoint::Endpoint;
pub use exchange::Output;
pub use letter::{Content, Envelope, Letter, Stored, idempotency_key};
pub use settings::{Acknowledgement, Body, Script, Settings};
pub use signature::Secret;

use crate::smtp::reply::{self, Reply};
use exchange::{Deadlines, Place, exchange};
use parameters::{Manner, Parameters};
use signature::Proof;

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// PHP has it, and said so.
    Delivered,
    /// PHP has perhaps not got it: it is down, slow, broken, or asks for patience.
    /// Whoever tries again does so with the same key.
    Later {
        /// How long PHP asks to be left alone (`Retry-After`).
        after: Option<Duration>,
        /// What a client that waits is told; transient.
        reply: Reply,
        /// For the log.
        why: String,
    },
    /// PHP does not want it, now or ever.
    Never {
        /// What a client that waits is told; permanent.
        reply: Reply,
        /// For the log.
        why: String,
    },
}

/// What PHP says when it is asked about a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// What it says.
    pub verdict: Verdict,
    /// For how long, if PHP says so (`Cache-Control`); no time at all where it is said of this sender
    /// and this client, and may be another for others.
    pub lifetime: Option<Duration>,
}

/// What PHP thinks of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Mail for it is welcome.
    Passed,
    /// Mail for it is not wanted.
    Refused {
        /// What the client is told; permanent, unless PHP has asked for another.
        reply: Reply,
        /// For the log.
        why: String,
    },
    /// PHP could not say.
    Unknown {
        /// What the client is told; transient.
        reply: Reply,
        /// For the log.
        why: String,
    },
}

/// The way to one PHP application. As many requests are made at once as it was
/// told connections; others wait, as part of their time.
#[derive(Debug)]
pub struct Bridge {
    settings: Settings,
    connections: Semaphore,
}

impl Bridge {
    /// A bridge; nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            connections: Semaphore::new(settings.connections),
            settings,
        }
    }

    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Hands a letter to PHP and waits for its answer, for as long as the
    /// configured deadline. `attempt` counts from 1. Whatever goes wrong is an
    /// answer: [`Answer::Later`] unless PHP itself has refused the letter.
    ///
    /// Blocks the thread until PHP has answered; it belongs where blocking is
    /// allowed (`smol::unblock`, or a thread of its own with `smol::block_on`).
    pub async fn hand(&self, letter: Letter<'_>, attempt: u32) -> Answer {
        self.hand_and_hear(letter, attempt).await.0
    }

    /// As [`hand`](Self::hand), for the first time, and no longer than `until`: several letters of one
    /// message have the time of one.
    pub async fn hand_until(&self, letter: Letter<'_>, until: Instant) -> Answer {
        self.attempt(letter, 1, until).await.0
    }

    /// When somebody has waited long enough who hands over a message now.
    pub fn until(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    /// As [`hand`](Self::hand), and what PHP said word for word, if it could be
    /// heard to the end.
    pub async fn hand_and_hear(
        &self,
        letter: Letter<'_>,
        attempt: u32,
    ) -> (Answer, Option<Output>) {
        self.attempt(letter, attempt, self.until()).await
    }

    async fn attempt(
        &self,
        letter: Letter<'_>,
        attempt: u32,
        until: Instant,
    ) -> (Answer, Option<Output>) {
        match self.send(letter, attempt, until).await {
            Ok((output, size)) => {
                note(&output, letter);
                let answer = answer::save(&output, &letter.envelope.key, size, &self.settings);
                (answer, Some(output))
            }
            Err(why) => {
                let answer = Answer::Later {
                    after: None,
                    reply: reply::LOCAL_FAULT,
                    why,
                };
                (answer, None)
            }
        }
    }

    /// What PHP said, and of how many octets the request's body was.
    async fn send(
        &self,
        letter: Letter<'_>,
        attempt: u32,
        until: Instant,
    ) -> Result<(Output, u64), String> {
        let secret = self.settings.secret.as_ref();
        let deadlines = self.deadlines(self.settings.timeout, until);
        let send = async |mut made: body::Made<'_>| {
            let digest = secret.map(|_| made.digest()).transpose();
            let digest = digest.map_err(|error| unread(&error))?;
            let size = made.size();
            let manner = Manner {
                method: "POST",
                query: "",
                content_type: &made.content_type,
                content_length: size,
                attempt,
            };
            let proof = secret.zip(digest.as_deref());
            let proof = proof.map(|(secret, digest)| Proof { secret, digest });
            let parameters = Parameters::new(&self.settings.save, manner, letter, proof)?;
            let asked = self.exchange(Place::Here, deadlines, &parameters, made.pieces);
            Ok((asked.await?, size))
        };
        body::with(self.settings.body, letter, attempt, secret, send)
            .await
            .map_err(|error| unread(&error))?
    }

    /// Asks PHP about a recipient: the one of `envelope`, which is no message yet
    /// and has neither id nor key.
    pub async fn ask(&self, envelope: &Envelope) -> Opinion {
        let letter = Letter {
            envelope,
            trace: "",
            content: Content::Pieces(&[]),
            path: None,
        };
        let query = format!("rcpt_to={}", body::form_text(&envelope.rcpt));
        let manner = Manner {
            method: "GET",
            query: &query,
            content_type: "",
            content_length: 0,
            attempt: 1,
        };
        let settings = &self.settings;
        let secret = settings.secret.as_ref();
        let proof = secret.map(|secret| Proof {
            secret,
            digest: signature::OF_NOTHING,
        });
        let parameters = Parameters::new(&settings.validate, manner, letter, proof);
        let asked = match &parameters {
            Ok(parameters) => self.question(parameters).await,
            Err(fault) => Err(fault.clone()),
        };
        match asked {
            Ok(output) => {
                note(&output, letter);
                answer::validate(&output, &envelope.rcpt, settings)
            }
            Err(why) => Opinion {
                verdict: Verdict::Unknown {
                    reply: reply::LOCAL_FAULT,
                    why,
                },
                lifetime: None,
            },
        }
    }

    /// Runs a script that is no part of the application, which finds `id` in
    /// `MAIL_ID` and nothing else: a probe. It may take as long as a question about
    /// a recipient.
    ///
    /// # Errors
    ///
    /// Why PHP could not be heard to the end. That it cannot run the script is none.
    pub async fn run(&self, file: &Path, id: &str) -> Result<Output, String> {
        let script = Script {
            file: file.to_owned(),
            root: file.parent().unwrap_or(file).to_owned(),
            uri: None,
        };
        let envelope = Envelope::of_nothing(id);
        let letter = Letter {
            envelope: &envelope,
            trace: "",
            content: Content::Pieces(&[]),
            path: None,
        };
        let manner = Manner {
            method: "GET",
            query: "",
            content_type: "",
            content_length: 0,
            attempt: 1,
        };
        let parameters = Parameters::new(&script, manner, letter, None)?;
        self.question(&parameters).await
    }

    /// A request without a body, which may take as long as a question about a recipient.
    async fn question(&self, parameters: &Parameters) -> Result<Output, String> {
        let time = self.settings.validate_timeout;
        let deadlines = self.deadlines(time, Instant::now() + time);
        let nothing = exchange::no_body();
        self.exchange(Place::Reactor, deadlines, parameters, nothing)
            .await
    }

    fn deadlines(&self, whole: Duration, until: Instant) -> Deadlines {
        Deadlines {
            connect: self.settings.connect_timeout,
            whole,
            until,
        }
    }

    async fn exchange(
        &self,
        place: Place,
        deadlines: Deadlines,
        parameters: &Parameters,
        body: impl io::Read,
    ) -> Result<Output, String> {
        let endpoint = &self.settings.endpoint;
        exchange(
            endpoint,
            place,
            deadlines,
            &self.connections,
            parameters,
            body,
        )
        .await
    }
}

/// Each is another one, wherever it leads.
impl PartialEq for Bridge {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

fn unread(error: &io::Error) -> String {
    format!("cannot read the message: {error}")
}

/// What PHP complains of belongs into the log, whatever it answers.
fn note(output: &Output, letter: Letter<'_>) {
    const SHOWN: usize = 2000;
    if output.stderr.is_empty() {
        return;
    }
    let shown = &output.stderr[..output.stderr.len().min(SHOWN)];
    let said = String::from_utf8_lossy(shown);
    log::warn!(id:% = letter.envelope.id, stderr:% = said.trim_end(); "PHP complains");
}
