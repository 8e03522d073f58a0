//! `GuerrillaDbRedis`: the message goes to Redis, for a while, and what is known of it into a row that
//! names the key there. While Redis is down, the message goes into the row as well.
//!
//! Redis has the message before the row tells of it, so no row leads nowhere. What is left in Redis of
//! a delivery that failed goes when its time is over.

use std::sync::Arc;
use std::time::Duration;

use super::rows::{self, Bodies};
use super::{Insertion, failure};
use crate::failure::Failure;
use crate::mysql::{Database, Form, Message, Row, Table};
use crate::processor::{Delivery, Pending, Processor, Queued, Staged};
use crate::redis::{Client, command};
use crate::smtp::reply;
use crate::spool::{Answer, Consumer, Letter};

/// Writes rows, and puts messages into Redis.
pub struct GuerrillaDbRedis {
    clerk: Clerk,
    durable: bool,
    queued: Option<Queued>,
}

/// Does so for letters that waited in the spool. One is equal to another if it would do the same.
#[derive(Clone, PartialEq)]
pub struct Clerk {
    database: Arc<Database>,
    depot: Depot,
}

/// Where in Redis messages are, and for how long.
#[derive(Clone, PartialEq)]
pub struct Depot {
    /// The way there.
    pub client: Arc<Client>,
    /// What keys begin with; the hash of the row follows.
    pub prefix: String,
    /// How long a message stays; zero is for ever.
    pub expire: Duration,
    /// The level of the zlib streams that messages become, 0 to 9.
    pub level: u32,
}

impl GuerrillaDbRedis {
    /// Where the clerk puts them; `durable` tells whether messages count as stored in Redis.
    pub fn new(clerk: Clerk, durable: bool) -> Self {
        Self {
            clerk,
            durable,
            queued: None,
        }
    }

    /// The same, which does not let clients wait: letters go into a queue.
    #[must_use]
    pub fn queued(self, queued: Queued) -> Self {
        Self {
            queued: Some(queued),
            ..self
        }
    }

    fn stage_rows(&self, delivery: &Delivery) -> Result<Staged, Failure> {
        let Clerk { database, depot } = &self.clerk;
        let table = database.ready().map_err(|fault| failure(&fault))?;
        let mut rows = rows::of_delivery(delivery, Bodies::Without)?;
        for (row, recipient) in rows.iter_mut().zip(delivery.recipients()) {
            let stream = rows::zlib(&delivery.whole(recipient)?, depot.level)?;
            let placed = depot.place(row, stream, &table);
            placed.map_err(|cause| Failure::new(reply::LOCAL_FAULT, cause))?;
        }
        Ok(Insertion::of(database, rows, delivery))
    }
}

impl Clerk {
    /// Rows into this database, messages into this depot.
    pub fn new(database: Arc<Database>, depot: Depot) -> Self {
        Self { database, depot }
    }

    fn write(&self, letter: &Arc<Letter>) -> Result<(), String> {
        let odd = |error| format!("the letter cannot be read: {error}");
        let table = self
            .database
            .ready()
            .map_err(|fault| format!("MySQL: {fault}"))?;
        let mut row = rows::of_letter(letter, Bodies::Without, None).map_err(odd)?;
        let content = letter.content().map_err(odd)?;
        let stream = rows::zlib(&content, self.depot.level).map_err(odd)?;
        self.depot.place(&mut row, stream, &table)?;
        let inserted = self.database.insert(vec![row]);
        inserted
            .map(drop)
            .map_err(|fault| format!("MySQL: {fault}"))
    }
}

impl Depot {
    /// Puts a message into Redis, or else into its row.
    fn place(&self, row: &mut Row, stream: Vec<u8>, table: &Table) -> Result<(), String> {
        let mut set = command("SET");
        set.arg([&self.prefix, &*table.key(&row.key)].concat())
            .arg(&stream);
        if !self.expire.is_zero() {
            set.arg("EX").arg(self.expire.as_secs());
        }
        row.message = Some(match self.client.run(vec![set]) {
            Ok(_) => Message::elsewhere(),
            Err(fault) => {
                let message = Message::of(Form::Gzencode, stream).sole();
                let admitted = table.admit(&message);
                admitted.map_err(|cause| format!("{fault}; and {cause}"))?;
                log::warn!(error:% = fault; "a message goes into its row, as Redis does not take it");
                message
            }
        });
        Ok(())
    }
}

impl Processor for GuerrillaDbRedis {
    fn name(&self) -> &'static str {
        "GuerrillaDbRedis"
    }

    /// As far as Redis does.
    fn stores(&self) -> bool {
        self.durable
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        match &self.queued {
            Some(queued) => queued.stage(delivery),
            None => Box::pin(async move { self.stage_rows(delivery) }),
        }
    }
}

impl Consumer for Clerk {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        Box::pin(async move {
            match self.write(&letter) {
                Ok(()) => Answer::Delivered,
                Err(why) => Answer::Later { after: None, why },
            }
        })
    }
}
