//! PHP, for those who come after its settings were changed.

use crate::application::{Application, answers, says};
use crate::client::Client;
use crate::house::{House, eventually};

use super::{BOB, MAIL, SENDER};

const SAVED: &str = "Content-type: text/plain\n\nSAVED";
const UNKNOWN: &str = "Status: 404 Not Found\nContent-type: text/plain\n\nno";

/// PHP at this socket.
fn php(socket: &str, delivery: &str) -> String {
    format!(
        "save: Hasher|Header|MailDir|FastCGI\nvalidate: MailDir\nfastcgi: {{address: 'unix:${{FOLDER}}/{socket}', script: /app/{socket}.php, delivery: {delivery}}}"
    )
}

fn application(house: &House, socket: &str) -> Application {
    Application::unix(&house.folder.path(socket), answers(says(SAVED)))
}

fn deliver(client: &mut Client) {
    let reply = client.deliver(SENDER, &[BOB], MAIL);
    assert!(reply.starts_with("250 "), "{reply}");
}

/// How many messages each of two applications comes to have.
#[track_caller]
fn get(applications: &[Application; 2], counts: [usize; 2]) {
    let got = || [0, 1].map(|number: usize| applications[number].requests().len());
    eventually("they have them", || got() == counts);
    let scripts = applications.iter().zip(["a", "b"]);
    for (application, socket) in scripts {
        for request in application.requests() {
            let script = format!("/app/{socket}.php");
            assert_eq!(request.parameters["SCRIPT_FILENAME"], script);
        }
    }
}

/// While the client waits: each session hands over where it found PHP.
#[test]
fn mail_goes_to_the_application_that_the_session_began_with() {
    let mut house = House::new(&php("a", "inline"));
    let applications = ["a", "b"].map(|socket| application(&house, socket));
    let mut first = house.client();
    deliver(&mut first);
    house.reload(&php("b", "inline")).expect("it is sound");
    deliver(&mut house.client());
    deliver(&mut first);
    get(&applications, [2, 1]);
}

/// From the queue: there is one for both, and who empties it has the settings of now.
#[test]
fn a_queue_is_emptied_by_the_settings_of_now() {
    let mut house = House::new(&php("a", "queued"));
    let applications = ["a", "b"].map(|socket| application(&house, socket));
    let mut first = house.client();
    deliver(&mut first);
    get(&applications, [1, 0]);
    house.reload(&php("b", "queued")).expect("it is sound");
    deliver(&mut house.client());
    deliver(&mut first);
    get(&applications, [1, 2]);
    // Where it is not named any more, sessions from before still have a queue.
    house.reload("").expect("it is sound");
    deliver(&mut first);
    deliver(&mut house.client());
    get(&applications, [1, 3]);
    house.reload(&php("a", "queued")).expect("it is sound");
    deliver(&mut first);
    get(&applications, [2, 3]);
    assert_eq!(house.folder.mails("example.org/bob").len(), 6);
}

/// What PHP has said of a recipient does not outlive the configuration that has asked.
#[test]
fn recipients_are_asked_about_anew() {
    let yaml = |more: &str| {
        let asked = php("a", "inline").replace("validate: MailDir", "validate: MailDir|FastCGI");
        format!("{asked}\n{more}")
    };
    let mut house = House::new(&yaml(""));
    let application = Application::unix(&house.folder.path("a"), answers(says(UNKNOWN)));
    let verdict = |house: &House| {
        let mut client = house.client();
        client.wants("MAIL FROM:<s@c.test>", "250 ");
        client.say(&format!("RCPT TO:<{BOB}>"))
    };
    for _ in 0..3 {
        assert!(verdict(&house).starts_with("550 "));
    }
    assert_eq!(application.requests().len(), 1, "it is remembered");
    application.change(answers(says("Content-type: text/plain\n\nPASS")));
    assert!(verdict(&house).starts_with("550 "));
    house.reload(&yaml("threads: 3")).expect("it is sound");
    assert!(verdict(&house).starts_with("250 "));
    assert_eq!(application.requests().len(), 2);
}
