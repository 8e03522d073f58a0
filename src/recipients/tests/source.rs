//! Users whom a source knows.

use std::sync::Mutex;
use std::time::Duration;

use smol::block_on;

use super::*;
use crate::answers::Times;
use crate::smtp::reply;

/// Knows alice and carol, cannot say anything of `odd`, never answers about `slow`.
#[derive(Default)]
struct Few(Mutex<Vec<String>>);

impl UserSource for Few {
    fn name(&self) -> &'static str {
        "few"
    }

    fn knows<'a>(&'a self, mailbox: &'a Mailbox) -> Pending<'a, Result<bool, String>> {
        self.0.lock().unwrap().push(mailbox.to_string());
        Box::pin(async {
            match mailbox.local_part() {
                "alice" | "carol" => Ok(true),
                "odd" => Err("the line is dead".into()),
                "slow" => std::future::pending().await,
                "bad" => panic!("bad luck"),
                _ => Ok(false),
            }
        })
    }
}

fn asking(few: &Arc<Few>, change: impl FnOnce(&mut Settings)) -> Recipients {
    let mut settings = Settings {
        users: Users::Asked(Question::default()),
        ..settings()
    };
    change(&mut settings);
    let asking = Asking {
        timeout: Duration::from_millis(20),
        times: Times {
            positive: Duration::from_hours(1),
            negative: Duration::from_hours(1),
            stale_if_error: Duration::ZERO,
            entries: 100,
        },
    };
    let source = Arc::clone(few) as Arc<dyn UserSource>;
    Recipients::new(&settings)
        .unwrap()
        .with_source(source, asking)
}

/// The mailboxes that an address leads to, or the reply.
fn found(recipients: &Recipients, address: &str) -> String {
    match block_on(recipients.find(&path(address))) {
        Ok(recipient) => {
            let mailboxes = recipient.destinations.iter();
            let mailboxes: Vec<_> = mailboxes.map(|it| it.mailbox.to_string()).collect();
            mailboxes.join(" ")
        }
        Err(failure) => {
            assert!(failure.cause.is_some(), "{address}");
            failure.reply.to_string()
        }
    }
}

/// The fault is its own, and the next question finds it as if nothing had been.
#[test]
fn one_that_panics_cannot_say() {
    let few = Arc::new(Few::default());
    let recipients = asking(&few, |_| {});
    let failure = block_on(recipients.find(&path("bad@example.org"))).unwrap_err();
    assert_eq!(failure.reply, reply::LOCAL_FAULT);
    let cause = failure.cause.unwrap();
    assert_eq!(cause, "few cannot say who has a mailbox: it panicked");
    assert_eq!(found(&recipients, "alice@example.org"), "alice@example.org");
}

#[test]
fn a_source_says_who_has_a_mailbox() {
    let few = Arc::new(Few::default());
    let recipients = asking(&few, |settings| {
        settings.aliases = aliases("both@example.org = alice@example.org carol@example.org");
    });
    let unknown = reply::USER_UNKNOWN.to_string();
    for (address, expected) in [
        ("Alice@Example.org", "alice@example.org"),
        ("alice+lists@example.org", "alice@example.org"),
        ("bob@example.org", &unknown),
        ("both@example.org", "alice@example.org carol@example.org"),
        (
            "alice@elsewhere.example",
            &reply::RELAYING_DENIED.to_string(),
        ),
        ("odd@example.org", &reply::LOCAL_FAULT.to_string()),
        ("slow@example.org", &reply::LOCAL_FAULT.to_string()),
        ("postmaster@example.org", "postmaster@mx.example.net"),
        ("postmaster@mx.example.net", "postmaster@mx.example.net"),
    ] {
        assert_eq!(found(&recipients, address), expected, "{address}");
        assert_eq!(found(&recipients, address), expected, "{address} again");
    }
    let asked = few.0.lock().unwrap().clone();
    let times = |name: &str| asked.iter().filter(|asked| *asked == name).count();
    let alice = times("alice@example.org");
    assert_eq!((alice, times("bob@example.org")), (1, 1), "{asked:?}");
    assert_eq!(times("odd@example.org"), 2, "it could not say");
    assert_eq!(times("postmaster@mx.example.net"), 0, "it has to be there");
}

#[test]
fn the_catch_all_takes_mail_for_those_who_are_unknown() {
    let few = Arc::new(Few::default());
    let recipients = asking(&few, |settings| {
        settings.catch_all = Some("rest@example.org".into());
        settings.aliases = aliases("all@example.org = alice@example.org bob@example.org");
        settings.subaddress.folder = DetailFolder::Create;
    });
    for (address, expected) in [
        ("alice@example.org", "alice@example.org"),
        ("alice+x@example.org", "alice@example.org"),
        ("bob+x@example.org", "rest@example.org"),
        ("rest@example.org", "rest@example.org"),
        ("all@example.org", "alice@example.org rest@example.org"),
        ("postmaster@example.org", "postmaster@mx.example.net"),
        ("odd@example.org", &reply::LOCAL_FAULT.to_string()),
    ] {
        assert_eq!(found(&recipients, address), expected, "{address}");
    }
}
