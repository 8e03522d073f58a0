//! An MTA as a client: all its mail goes to us by SMTP.

use crate::content::{awkward, to_lf};
use crate::mta::{BOTH, Way};
use crate::receiver::Receiver;

#[test]
fn takes_what_an_mta_sends() {
    for kind in BOTH {
        let receiver =
            Receiver::with("recipients: {hosts: [example.org], users: {good: , sender: }}\n");
        let mta = &*kind.start(&Way::Relay(receiver.smtp));
        let to = ["good@example.org", "nosuch@example.org"];
        mta.send(
            "sender@example.org",
            &to,
            &awkward("relay"),
            &["BODY=8BITMIME"],
        );
        mta.until("both are there", || {
            let is_there = |user| !receiver.maildir(user).files("new").is_empty();
            (is_there("good@example.org") && is_there("sender@example.org")).then_some(())
        });
        mta.empty();
        let good = receiver.maildir("good@example.org").message();
        assert!(
            good.content().ends_with(&to_lf(&awkward("relay"))),
            "{kind:?}"
        );
        assert!(good.trace().contains("with ESMTP"), "{}", good.trace());
        let bounce = receiver.maildir("sender@example.org").message();
        let text = String::from_utf8_lossy(bounce.content()).into_owned();
        assert!(text.contains("User unknown"), "{kind:?} {text}");
        receiver.finish();
    }
}
