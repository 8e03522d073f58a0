//! The chain: which processors see a message, in which order, and with what result.

mod life;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};

pub use self::life::Uses;
use crate::disks::{Disks, Turn};
use crate::envelope::{Mail, Recipient};
use crate::failure::Failure;
use crate::locks::lock;
use crate::logbook::Logbook;
use crate::maildir::Location;
pub use crate::processor::Sender;
use crate::processor::{Commit, Delivery, Processor, Staged};
use crate::smtp::reply;

/// Recipients of one LMTP message that are delivered to at once, on each disk.
const AT_ONCE: usize = 8;

/// What a delivery came to.
pub type Fate = Result<(), Failure>;

/// The configured processors.
pub struct Chain {
    validate: Vec<Arc<dyn Processor>>,
    save: Arc<[Arc<dyn Processor>]>,
    /// How many deliveries may run at once, and where; each has a thread.
    disks: Arc<Disks>,
    /// Which of the processors others have, too.
    uses: Uses,
}

impl Chain {
    /// Looks the names up in `registry`. A message waits for its turn on the
    /// `disks` that it goes to.
    pub fn new(
        registry: &Registry,
        validate: &[String],
        save: &[String],
        disks: Arc<Disks>,
    ) -> Result<Self, ChainError> {
        let mut made = BTreeMap::new();
        let validate = registry.link("validate", validate, &mut made)?;
        let save = registry.link("save", save, &mut made)?;
        if !save.iter().any(|processor| processor.stores()) {
            let message = "none of these processors stores mail: add MailDir".into();
            return Err(ChainError {
                chain: "save",
                message,
            });
        }
        Ok(Self {
            validate,
            save: save.into(),
            disks,
            uses: Uses::default(),
        })
    }

    /// Asks every processor of the `validate` chain about a recipient.
    pub async fn validate(&self, recipient: &Recipient, sender: Sender<'_>) -> Fate {
        for processor in &self.validate {
            unpanicked(processor.name(), async {
                processor.validate(recipient, sender).await
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until a delivery to all these recipients may begin.
    pub async fn turn(&self, recipients: &[Recipient]) -> Turn {
        self.disks.turn(recipients).await
    }

    /// Delivers to all recipients or to none. Everything from the first `stage`
    /// to the last `commit` happens on the thread that runs this, which may
    /// block meanwhile: no hand-over.
    pub async fn deliver(&self, mail: Arc<Mail>, turn: Turn) -> Fate {
        let all = 0..mail.envelope.recipients.len();
        let fate = pass(&self.save, Delivery::new(mail, all)).await;
        drop(turn);
        fate
    }

    /// Delivers to each recipient for itself; one fate for each, in their order.
    /// Those whose mail goes to the same place share a delivery; several of
    /// these go on at once, on other threads; `known` has their fates as they come.
    pub async fn deliver_each(&self, mail: Arc<Mail>, turn: Turn, known: &Known) -> Vec<Fate> {
        let recipients = &mail.envelope.recipients;
        if recipients.len() == 1 {
            return vec![self.deliver(mail, turn).await];
        }
        let mut places: HashMap<Vec<&Location>, usize> = HashMap::new();
        let mut deliveries = Vec::new();
        for (index, recipient) in recipients.iter().enumerate() {
            let destinations = recipient.destinations.iter();
            let place = destinations
                .map(|destination| &destination.location)
                .collect();
            deliveries.push(*places.entry(place).or_insert(index));
        }
        // A disk that hangs does not hold up the recipients on another.
        let mut by_disk: HashMap<Option<usize>, Vec<_>> = HashMap::new();
        for index in places.into_values() {
            let run = self.run_apart(Arc::clone(&mail), index, known);
            let sharing = deliveries.iter().enumerate();
            let sharing = sharing.filter(move |(_, delivery)| **delivery == index);
            let run = run.map(move |fate| {
                known.add(sharing.map(|(recipient, _)| recipient), &fate);
                (index, fate)
            });
            let disk = self.disks.number(&recipients[index..=index]);
            by_disk.entry(disk).or_default().push(run);
        }
        let runs = by_disk.into_values();
        let runs = runs.map(|runs| stream::iter(runs).buffer_unordered(AT_ONCE));
        let fates: HashMap<usize, Fate> = stream::select_all(runs).collect().await;
        drop(turn);
        deliveries
            .iter()
            .map(|index| fates[index].clone())
            .collect()
    }

    /// Delivers to one recipient on a thread for work that blocks.
    async fn run_apart(&self, mail: Arc<Mail>, index: usize, known: &Known) -> Fate {
        let save = Arc::clone(&self.save);
        let recipients = &mail.envelope.recipients[index..=index];
        let turn = self.disks.turn_aside(recipients).await;
        if known.is_closed() {
            let cause = "nobody waits for it any more";
            return Err(Failure::new(reply::LOCAL_FAULT, cause));
        }
        let delivery = Delivery::new(mail, index..index + 1);
        smol::unblock(Logbook::carried_over(move || {
            let fate = smol::block_on(pass(&save, delivery));
            drop(turn);
            fate
        }))
        .await
    }
}

/// The fates of some recipients of a message that is still being delivered to others.
#[derive(Debug, Default)]
pub struct Known(Mutex<Fates>);

#[derive(Debug, Default)]
struct Fates {
    by_recipient: HashMap<usize, Fate>,
    /// Whether the client was told: what has not begun by then does not.
    told: bool,
}

impl Known {
    fn add(&self, recipients: impl Iterator<Item = usize>, fate: &Fate) {
        let fates = recipients.map(|recipient| (recipient, fate.clone()));
        lock(&self.0).by_recipient.extend(fates);
    }

    fn is_closed(&self) -> bool {
        lock(&self.0).told
    }

    /// One fate for each of `count` recipients: what is known, else `otherwise`. Deliveries that
    /// have not begun are not begun any more.
    pub fn close(&self, count: usize, otherwise: &Failure) -> Vec<Fate> {
        let mut fates = lock(&self.0);
        fates.told = true;
        let fate = |recipient| fates.by_recipient.get(&recipient).cloned();
        (0..count)
            .map(|recipient| fate(recipient).unwrap_or_else(|| Err(otherwise.clone())))
            .collect()
    }
}

/// Stages with all, then commits with all, or aborts with all.
async fn pass(save: &[Arc<dyn Processor>], mut delivery: Delivery) -> Fate {
    let mut staged: Vec<(&str, Box<dyn Commit>)> = Vec::new();
    for processor in save {
        match unpanicked(processor.name(), async {
            processor.stage(&mut delivery).await
        })
        .await
        {
            Ok(Staged::Done) => {}
            Ok(Staged::Until(commit)) => staged.push((processor.name(), commit)),
            Err(failure) => return abort(staged, failure).await,
        }
    }
    for i in 0..staged.len() {
        let (name, commit) = &mut staged[i];
        if let Err(failure) = unpanicked(name, async { commit.commit().await }).await {
            return abort(staged, failure).await;
        }
    }
    Ok(())
}

/// The last one to stage is the first one to undo.
async fn abort(staged: Vec<(&str, Box<dyn Commit>)>, failure: Failure) -> Fate {
    for (name, mut commit) in staged.into_iter().rev() {
        let undone = unpanicked(name, async {
            commit.abort().await;
            Ok(())
        });
        if let Err(fault) = undone.await {
            log::error!(processor = name, fault:% = fault; "could not undo");
        }
    }
    Err(failure)
}

/// A panic in a processor is a fault of ours: the client may try again, and the
/// next message finds everything working.
async fn unpanicked<T>(
    name: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Failure::new(reply::LOCAL_FAULT, format!("{name} panicked"))))
}

/// Makes one processor from its configuration, or says what is missing.
type Constructor = Arc<dyn Fn() -> Result<Arc<dyn Processor>, String> + Send + Sync>;

/// The processors that a configuration may name. A value, not a global: whoever
/// builds a chain adds constructors of their own.
#[derive(Default)]
pub struct Registry {
    constructors: BTreeMap<String, (String, Constructor)>,
}

impl Registry {
    /// Adds a processor under a name, whose case does not matter. The last one
    /// of a name counts.
    pub fn add<C>(&mut self, name: &str, constructor: C)
    where
        C: Fn() -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        self.constructors.insert(
            name.to_lowercase(),
            (name.to_owned(), Arc::new(constructor)),
        );
    }

    /// Adds all of another one.
    pub fn extend(&mut self, other: &Self) {
        let others = other.constructors.iter();
        self.constructors
            .extend(others.map(|(key, named)| (key.clone(), named.clone())));
    }

    /// A processor that is named in both chains is made once.
    fn link(
        &self,
        chain: &'static str,
        names: &[String],
        made: &mut BTreeMap<String, Arc<dyn Processor>>,
    ) -> Result<Vec<Arc<dyn Processor>>, ChainError> {
        let mut links = Vec::new();
        let mut seen = BTreeSet::new();
        for name in names {
            let key = name.trim().to_lowercase();
            if !seen.insert(key.clone()) {
                let message = format!("\"{name}\" is named twice");
                return Err(ChainError { chain, message });
            }
            if let Some(processor) = made.get(&key) {
                links.push(Arc::clone(processor));
                continue;
            }
            let Some((_, constructor)) = self.constructors.get(&key) else {
                return Err(self.unknown(chain, name));
            };
            let processor = catch_unwind(AssertUnwindSafe(|| constructor()))
                .unwrap_or_else(|_| Err(format!("the constructor of {name} panicked")))
                .map_err(|message| ChainError { chain, message })?;
            made.insert(key, Arc::clone(&processor));
            links.push(processor);
        }
        Ok(links)
    }

    fn unknown(&self, chain: &'static str, name: &str) -> ChainError {
        let known: Vec<&str> = self
            .constructors
            .values()
            .map(|(name, _)| name.as_str())
            .collect();
        let distance =
            |known: &&str| strsim::levenshtein(&known.to_lowercase(), &name.to_lowercase());
        let nearest = known
            .iter()
            .copied()
            .min_by_key(distance)
            .filter(|known| distance(known) <= 3);
        let list = known.join(", ");
        let message = match nearest {
            Some(nearest) => format!(
                "there is no processor \"{name}\"; did you mean \"{nearest}\"? There are {list}"
            ),
            None => format!("there is no processor \"{name}\"; there are {list}"),
        };
        ChainError { chain, message }
    }
}

/// A chain that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{chain}: {message}")]
pub struct ChainError {
    /// Which one: `validate` or `save`.
    pub chain: &'static str,
    /// What is wrong, and how to mend it.
    pub message: String,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |links: &[Arc<dyn Processor>]| {
            links
                .iter()
                .map(|link| link.name().to_owned())
                .collect::<Vec<_>>()
                .join("|")
        };
        write!(
            f,
            "Chain {{ validate: {}, save: {} }}",
            names(&self.validate),
            names(&self.save)
        )
    }
}

#[cfg(test)]
mod tests;
