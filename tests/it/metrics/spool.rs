//! Figures of what waits for applications.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use maiasaura::spool::{Answer, Consumer, Letter, Pending};

use super::{BOB, HOUSE, MAIL, figures, get};
use crate::house::{House, eventually};

/// An application that is down until it is not.
struct App {
    is_up: AtomicBool,
}

impl Consumer for App {
    fn hand(&self, letter: Arc<Letter>, _: u32) -> Pending<'_, Answer> {
        let is_up = self.is_up.load(Ordering::SeqCst);
        Box::pin(async move {
            let why = "as it is told".to_owned();
            match letter.slip.rcpt.as_str() {
                "never@example.org" => Answer::Never { why },
                _ if is_up => Answer::Delivered,
                _ => Answer::Later { after: None, why },
            }
        })
    }
}

fn house(is_up: bool) -> House {
    let is_up = AtomicBool::new(is_up);
    let app: Arc<dyn Consumer> = Arc::new(App { is_up });
    let yaml = format!("{HOUSE}\nsave: MailDir|App\nspool: {{failures: 1}}");
    House::with(&yaml, |daemon| daemon.consumer("App", app))
}

#[track_caller]
fn becomes(house: &House, expected: &[(&str, f64)]) {
    for (figure, value) in expected {
        eventually(figure, || figures(house).find(figure) == Some(*value));
    }
}

#[test]
fn letters_that_wait_and_how_long() {
    let house = house(false);
    let begun = UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
    assert!(figures(&house).find("maiasaura_spool_letters{queue=\"app\"}") == Some(0.0));
    for _ in 0..3 {
        house.client().deliver("", &[BOB], MAIL);
    }
    becomes(&house, &[("maiasaura_spool_letters{queue=\"app\"}", 3.0)]);
    let oldest = "maiasaura_spool_oldest_letter_timestamp_seconds{queue=\"app\"}";
    let oldest = figures(&house).value(oldest);
    assert!((begun - 2.0..begun + 3600.0).contains(&oldest), "{oldest}");
    eventually("it is tried", || {
        let waits = "maiasaura_letters_total{queue=\"app\",result=\"waits\"}";
        figures(&house).find(waits) >= Some(1.0)
    });
    // Mail is taken all the same.
    let state = "maiasaura_part_state{part=\"queue app\",state=\"hampered\"}";
    becomes(&house, &[(state, 1.0)]);
    let (head, body) = get(&house, "/health");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let line = "warn  queue app: the application does not answer, its letters wait\n";
    assert!(body.contains(line), "{body}");
}

#[test]
fn letters_that_are_handed_over_or_dead() {
    let house = house(true);
    house.client().deliver("", &[BOB], MAIL);
    house.client().deliver("", &["never@example.org"], MAIL);
    becomes(
        &house,
        &[
            (
                "maiasaura_letters_total{queue=\"app\",result=\"handed_over\"}",
                1.0,
            ),
            (
                "maiasaura_letters_total{queue=\"app\",result=\"dead\"}",
                1.0,
            ),
            ("maiasaura_spool_letters{queue=\"app\"}", 0.0),
            ("maiasaura_spool_dead_letters", 1.0),
        ],
    );
}
