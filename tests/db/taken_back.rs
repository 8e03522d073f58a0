//! Rows of a delivery that fails after its rows are in: they are taken back, and no others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use maiasaura::failure::Failure;
use maiasaura::processor::{Commit, Delivery, Pending, Processor, Staged};
use maiasaura::smtp::reply;

use crate::house::House;
use crate::mariadb::Database;
use crate::rows::{INLINE, delivers, send};

/// Fails in the commit of each message that is bad, or that it has seen before.
#[derive(Default)]
struct Spoiler(Mutex<HashSet<Option<String>>>);

struct Spoiled;

impl Processor for Spoiler {
    fn name(&self) -> &'static str {
        "Spoiler"
    }

    fn stage<'a>(&'a self, delivery: &'a mut Delivery) -> Pending<'a, Result<Staged, Failure>> {
        let subject = delivery.headers.as_ref().and_then(|it| it.subject.clone());
        let is_bad = subject.as_deref() == Some("bad");
        let is_new = self.0.lock().expect("nobody panics").insert(subject);
        Box::pin(async move {
            Ok(if is_new && !is_bad {
                Staged::Done
            } else {
                Staged::Until(Box::new(Spoiled))
            })
        })
    }
}

impl Commit for Spoiled {
    fn commit(&mut self) -> Pending<'_, Result<(), Failure>> {
        Box::pin(async { Err(Failure::new(reply::LOCAL_FAULT, "it was to fail")) })
    }

    fn abort(&mut self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

/// What was committed before a failure is taken back, the rows too; but not those that the same message
/// had before.
#[test]
fn a_failure_after_the_rows_takes_them_back() {
    let database = Database::with_table();
    let yaml = format!(
        "save: HeadersParser|Hasher|Header|MySQL|MailDir|Spoiler\n{}",
        database.section(INLINE)
    );
    let house = House::with(&yaml, |daemon| {
        daemon.processor("Spoiler", || Ok(Arc::new(Spoiler::default())))
    });
    delivers(&house, &["bob@example.org"], b"Subject: good\r\n\r\n");
    let reply = send(
        &mut house.client(),
        &["bob@example.org", "carol@example.org"],
        b"Subject: bad\r\n\r\n",
    );
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(database.sql("SELECT subject FROM new_mail"), "good");
    assert_eq!(house.folder.mail_count(), 1);
}

/// What is taken back is what was inserted, and not what was there: in the same second, too.
#[test]
fn a_promised_row_is_not_taken_back() {
    let database = Database::with_table();
    let chain = "save: HeadersParser|Hasher|Header|MySQL|MailDir|Spoiler\n";
    let yaml = format!("{chain}{}", database.section(INLINE));
    let house = House::with(&yaml, |daemon| {
        daemon.processor("Spoiler", || Ok(Arc::new(Spoiler::default())))
    });
    for number in 0..20 {
        let mail = format!("Subject: {number}\r\n\r\nbody\r\n");
        delivers(&house, &["bob@example.org"], mail.as_bytes());
        let reply = send(&mut house.client(), &["bob@example.org"], mail.as_bytes());
        assert!(reply.starts_with("451 "), "{reply}");
        assert_eq!(database.count(), number + 1);
    }
}
