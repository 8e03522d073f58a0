//! Users whom the database knows.

use std::sync::Arc;

use smol::lock::Semaphore;

use super::{Database, Question};
use crate::recipients::{Pending, UserSource};
use crate::smtp::address::Mailbox;

/// Who has a mailbox, by a statement that yields a row for those who have.
#[derive(Debug)]
pub struct Users {
    database: Arc<Database>,
    question: Arc<Question>,
    /// Each question takes a thread.
    turns: Semaphore,
}

impl Users {
    /// Those whom this database knows.
    pub fn new(database: Arc<Database>, question: Question) -> Self {
        Self {
            turns: Semaphore::new(database.settings().connections.max(1)),
            question: Arc::new(question),
            database,
        }
    }
}

impl UserSource for Users {
    fn name(&self) -> &'static str {
        "MySQL"
    }

    fn knows<'a>(&'a self, mailbox: &'a Mailbox) -> Pending<'a, Result<bool, String>> {
        Box::pin(async move {
            let _turn = self.turns.acquire().await;
            let (database, question) = (Arc::clone(&self.database), Arc::clone(&self.question));
            let local = mailbox.local_part().to_owned();
            let domain = mailbox.domain().to_string();
            let ask = move || database.ask(&question, &local, &domain);
            smol::unblock(ask).await.map_err(|fault| fault.message)
        })
    }
}
