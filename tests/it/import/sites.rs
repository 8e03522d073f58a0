//! Sites of all ages move over: what is imported is checked, and run with.

use std::fs;
use std::path::Path;

use super::lines;
use crate::authority::AUTHORITY;
use crate::client::Client;
use crate::house::Folder;
use crate::process::{Program, command, run};

/// A site that has moved over.
struct Site {
    folder: Folder,
    program: Program,
}

/// Imports a sample of which these parts are replaced, as the machine is another; looks whether
/// `check` is content, and starts the server. `{FOLDER}` is the folder of the test.
fn site(sample: &str, parts: &[(&str, &str)], is_checked: bool) -> Site {
    let folder = Folder::new();
    let names = ["mx.example.org", "mx.example.net", "mx.one.example"];
    AUTHORITY.issue(&names).write(&folder.path(""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(sample);
    let mut text = fs::read_to_string(path).expect("a sample can be read");
    for (old, new) in parts {
        assert!(text.contains(old), "{sample}: {old}");
        let here = folder.path("").display().to_string();
        text = text.replace(old, &new.replace("{FOLDER}", here.trim_end_matches('/')));
    }
    fs::write(folder.path(sample), text).expect("it can be written");
    let yaml = lines(&run(&folder, &["import", sample], b"").stdout);
    let yaml = without_databases(&yaml);
    fs::write(folder.path("config.yaml"), &yaml).expect("it can be written");
    let configured = |arguments: &[&str]| {
        let mut command = command(&folder, &[&["-c", "config.yaml"], arguments].concat());
        command.env("HOME", folder.path("home"));
        command
    };
    if is_checked {
        let checked = Program::spawn(configured(&["check"])).end();
        assert_eq!(checked.code, Some(0), "{sample}: {checked:#?}\n{yaml}");
    }
    let one_listener = "listeners: [{address: one}]";
    let program = Program::introduced(configured(&["serve"]), one_listener);
    Site { folder, program }
}

/// Without what `tests/db` has the servers for.
fn without_databases(yaml: &str) -> String {
    let mut is_left_out = false;
    let mut kept = String::new();
    for line in yaml.lines() {
        if !line.starts_with([' ', '#']) {
            is_left_out = ["mysql:", "redis:"].contains(&line);
        }
        if !is_left_out {
            kept.extend([line, "\n"]);
        }
    }
    let names = ["|Redis|MySQL", "|GuerrillaDbRedis"];
    names.iter().fold(kept, |kept, name| kept.replace(name, ""))
}

const MAIL: &[u8] = b"Subject: moved\r\n\r\nThe nest is the same.\r\n";

impl Site {
    /// A message for `recipient`, who is named in two spellings, is in this Maildir, once.
    #[track_caller]
    fn takes(&self, client: &mut Client, recipient: &str, maildir: &str) {
        let capitals = recipient.to_uppercase();
        let reply = client.deliver("s@example.net", &[recipient, &capitals], MAIL);
        assert!(reply.starts_with("250 "), "{recipient}: {reply}");
        let new = fs::read_dir(self.folder.path(maildir).join("new"));
        let new =
            new.unwrap_or_else(|error| panic!("{maildir}: {error}: {:#?}", self.folder.tree()));
        let texts: Vec<_> = new
            .map(|entry| fs::read_to_string(entry.expect("it can be read").path()))
            .collect();
        assert_eq!(texts.len(), 1, "{maildir}");
        let text = texts[0].as_ref().expect("it is text");
        assert!(text.ends_with("\n\nThe nest is the same.\n"), "{text}");
    }

    #[track_caller]
    fn refuses(&self, recipient: &str) {
        let mut client = self.program.client();
        client.wants("MAIL FROM:<s@example.net>", "250 ");
        client.wants(&format!("RCPT TO:<{recipient}>"), "550 ");
    }
}

const PORT: (&str, &str) = ("127.0.0.1:2525", "127.0.0.1:0");

#[test]
fn a_site_of_2012_moves_over() {
    let site = site(
        "flat-2012.json",
        &[
            ("0.0.0.0:25", "127.0.0.1:0"),
            ("/etc/ssl/private/mx.key", "{FOLDER}/key.pem"),
            ("/etc/ssl/certs/mx.pem", "{FOLDER}/cert.pem"),
        ],
        true,
    );
    let mut client = site.program.client().secured(&AUTHORITY.client());
    site.takes(&mut client, "bob@example.com", "maildirs/example.com/bob");
    site.refuses("bob@example.edu");
    site.program.stop();
}

#[test]
fn sites_of_2016_and_2017_move_over() {
    let old = site(
        "typed-1.4.json",
        &[
            ("127.0.0.1:25\"", "127.0.0.1:0\""),
            ("/etc/ssl/one.key", "{FOLDER}/key.pem"),
            ("/etc/ssl/one.pem", "{FOLDER}/cert.pem"),
            ("/var/log/guerrilla/one.log", "{FOLDER}/one.log"),
        ],
        true,
    );
    let mut client = old.program.client();
    client.wants("EHLO client.example.net", "250-mx.one.example");
    old.takes(&mut client, "bob@two.example", "maildirs/two.example/bob");
    old.program.stop();
    let log = fs::read_to_string(old.folder.path("one.log")).expect("it is written");
    assert!(log.contains("bob@two.example"), "{log}");

    let new = site(
        "flat-tls-2017.json",
        &[
            ("localhost:2525", "localhost:0"),
            ("/etc/ssl/net.key", "{FOLDER}/key.pem"),
            ("/etc/ssl/net.pem", "{FOLDER}/cert.pem"),
        ],
        true,
    );
    let mut client = new.program.client();
    assert!(
        client
            .say("EHLO client.example.net")
            .contains("\n250-SIZE 100017\n")
    );
    new.takes(&mut client, "bob@example.net", "maildirs/example.net/bob");
    new.program.stop();
}

/// Its certificates lie there, and it was never encrypted.
#[test]
fn a_site_whose_tls_was_off_moves_over() {
    let site = site("tls-off-1.4.json", &[PORT], true);
    let mut client = site.program.client();
    let reply = client.say("EHLO client.example.net");
    assert!(!reply.contains("STARTTLS"), "{reply}");
    site.takes(&mut client, "bob@example.org", "maildirs/example.org/bob");
    site.program.stop();
}

/// nginx stands before it, and tells who the client is.
#[test]
fn a_site_behind_nginx_moves_over() {
    let parts = [
        ("\":2525\"", "\"127.0.0.1:0\""),
        ("\"mail.log\"", "\"{FOLDER}/mail.log\""),
    ];
    let site = site("flat-2016.conf", &parts, true);
    let mut client = site.program.client();
    client.wants("XCLIENT ADDR=192.0.2.77", "220 ");
    client.wants("EHLO client.example.net", "250-in.shop.example");
    site.takes(&mut client, "bob@shop.example", "maildirs/shop.example/bob");
    site.program.stop();
    let log = fs::read_to_string(site.folder.path("mail.log")).expect("it is written");
    assert!(log.contains("192.0.2.77"), "{log}");
}

#[test]
fn a_site_of_gleez_moves_over() {
    let site = site("gleez.ini", &[("ip4.port: 25000", "ip4.port: 0")], true);
    let mut client = site.program.client();
    client.wants("EHLO client.example.net", "250-mx.shop.example");
    site.takes(
        &mut client,
        "bob@www.shop.example",
        "maildirs/www.shop.example/bob",
    );
    site.refuses("bob@sub.shop.example");
    site.program.stop();
}

#[test]
fn a_site_of_1_6_moves_over() {
    let site = site(
        "current-1.6.json",
        &[
            ("192.0.2.25:25\"", "127.0.0.1:0\""),
            ("192.0.2.25:465", "127.0.0.1:0"),
            ("/etc/ssl/mx.key", "{FOLDER}/key.pem"),
            ("/etc/ssl/mx.pem", "{FOLDER}/cert.pem"),
            ("/etc/ssl/smtps.key", "{FOLDER}/key.pem"),
            ("/etc/ssl/smtps.pem", "{FOLDER}/cert.pem"),
            ("/etc/ssl/clients.pem", "{FOLDER}/cert.pem"),
            ("/var/log/guerrilla.log", "{FOLDER}/all.log"),
        ],
        true,
    );
    let mut client = site.program.client().secured(&AUTHORITY.client());
    site.takes(&mut client, "bob@mx2.any.test", "maildirs/mx2.any.test/bob");
    site.takes(
        &mut client,
        "bob@a.b.example.org",
        "maildirs/a.b.example.org/bob",
    );
    site.refuses("bob@qx.test");
    site.program.stop();
}

#[test]
fn users_move_over() {
    let nobody = |ids| (ids, "=-1:-1");
    let site = site(
        "maildir-users.json",
        &[
            PORT,
            nobody("=1001:1001"),
            nobody("=1002:1002"),
            nobody("=1004:1004"),
            nobody("=1007:1007"),
        ],
        true,
    );
    let mut client = site.program.client();
    for (user, maildir) in [("bob", "bob"), ("Carol", "carol"), ("007", "007")] {
        let maildir = format!("home/mail/{maildir}/[user]");
        site.takes(&mut client, &format!("{user}@example.org"), &maildir);
    }
    site.refuses("dave@example.org");
    site.program.stop();
}

#[test]
fn wildcards_move_over() {
    let site = site(
        "wildcard.json",
        &[(
            "\"allowed_hosts\"",
            "\"servers\": [{\"is_enabled\": true, \"listen_interface\": \"127.0.0.1:0\"}], \
             \"allowed_hosts\"",
        )],
        true,
    );
    let mut client = site.program.client();
    site.takes(&mut client, "bob@any.org", "maildirs/any.org/bob");
    site.takes(&mut client, "bob@b7.net", "maildirs/b7.net/bob");
    site.refuses("bob@any.edu");
    site.program.stop();
}

/// With the wrong keys that its sample came with.
#[cfg(feature = "fastcgi")]
#[test]
fn maildiranasaurus_moves_over() {
    use crate::application::{Application, read, says};
    use std::io::Write as _;

    let site = site(
        "maildiranasaurus.conf",
        &[
            PORT,
            ("=1001:1001", "=-1:-1"),
            ("=1002:1002", "=-1:-1"),
            ("/home/[user]/Maildir", "{FOLDER}/home/[user]/Maildir"),
            ("/run/php/php-fpm.sock", "{FOLDER}/php.sock"),
        ],
        false,
    );
    let socket = site.folder.path("php.sock");
    let application = Application::unix(&socket, |stream, requests| {
        let Some(request) = read(stream) else { return };
        let validates = request.parameters["SCRIPT_FILENAME"] == "/srv/app/validate.php";
        let said = if validates { "PASSED" } else { "SAVED" };
        requests
            .lock()
            .expect("nobody panics with it")
            .push(request);
        let _ = stream.write_all(&says(&format!("Content-type: text/html\n\n{said}")));
    });
    let mut client = site.program.client();
    site.takes(&mut client, "alice@example.com", "home/alice/Maildir");
    let requests = application.requests();
    let (asked, saved) = (&requests[0], &requests[requests.len() - 1]);
    assert_eq!(
        asked.parameters["QUERY_STRING"],
        "rcpt_to=alice%40example.com"
    );
    assert_eq!(saved.parameters["SCRIPT_FILENAME"], "/srv/app/save.php");
    let form = String::from_utf8_lossy(&saved.body);
    assert!(
        form.starts_with("rcpt_to_0=") && form.contains("&subject=moved&"),
        "{form}"
    );
    site.refuses("carol@example.org");
    site.program.stop();
}
