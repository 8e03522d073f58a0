//! PHP: its `mail()` sends through the command line, its files read.

use std::fs;

use crate::content::awkward;
use crate::deliver::deliver;
use crate::program::{MAIASAURA, feed, program, shown, succeed};
use crate::receiver::Receiver;

#[test]
fn mail_goes_through_deliver() {
    let receiver = Receiver::start();
    let configuration = receiver.configuration();
    let sendmail = format!(
        "{MAIASAURA} -c {} deliver -f me@localhost you@localhost",
        configuration.display()
    );
    let mut php = program("php");
    php.current_dir(receiver.folder());
    php.args(["-d", &format!("sendmail_path={sendmail}"), "-r"]);
    succeed(php.arg("exit(mail('you@localhost', 'from PHP', \"one\\n.\\ntwo\\n\") ? 0 : 1);"));
    let message = receiver.maildir("you@localhost").message();
    let content = String::from_utf8_lossy(message.content()).into_owned();
    assert!(
        content.starts_with("To: you@localhost\nSubject: from PHP\n"),
        "{content}"
    );
    assert!(content.contains("\n\none\n.\ntwo\n"), "{content}");
}

#[test]
fn reads_a_maildir() {
    let receiver = Receiver::start();
    for number in 0..3 {
        let message = awkward(&number.to_string());
        let output = feed(
            &deliver(&receiver, &["-f", "me@localhost", "you@localhost"]),
            &message,
        );
        assert!(output.status.success(), "{}", shown(&output));
    }
    let mut php = program("php");
    let reader = "foreach (glob($argv[1] . '/new/*') as $file) echo file_get_contents($file);";
    let read = succeed(
        php.args(["-r", reader])
            .arg(&receiver.maildir("you@localhost").0),
    );
    let files = receiver.maildir("you@localhost").files("new");
    let stored: Vec<Vec<u8>> = files
        .iter()
        .map(|file| fs::read(file).expect("a file"))
        .collect();
    assert_eq!(stored.len(), 3);
    assert_eq!(read, stored.concat());
}
