//! Certificates by ACME: they come and go, and what is under way is not changed.

use crate::client::Client;
use crate::house::House;

/// Nobody is there: no certificate is ever obtained.
fn acme(keys: &str) -> String {
    format!(
        "tls: {{acme: {{directory: 'https://127.0.0.1:9/', contact: mailto:a@example.org, cache: '${{FOLDER}}/acme', listen: ['127.0.0.1:0']{keys}}}}}"
    )
}

fn starttls(house: &House) -> String {
    let mut client = Client::greeted(house.address());
    client.say("STARTTLS")
}

#[test]
fn it_comes_and_goes_and_another_one_needs_a_restart() {
    let mut house = House::new("");
    for _ in 0..3 {
        assert!(starttls(&house).starts_with("502 "));
        house.reload(&acme("")).expect("it is sound");
        assert!(starttls(&house).starts_with("454 "), "there is none yet");
        let more = format!("{}\nthreads: 3", acme(""));
        house.reload(&more).expect("it is the same");
        for other in [
            acme(", challenge: http-01"),
            format!("{}\nhostname: other.test", acme("")),
        ] {
            let refused = house.reload(&other).expect_err("it is another one");
            let expected =
                "tls.acme: a change of this, or of the names for the certificate, needs a restart";
            assert!(refused.contains(expected), "{refused}");
            assert!(starttls(&house).starts_with("454 "));
        }
        house.reload("").expect("it is sound");
    }
}
