//! `maiasaura import`: files of every form in `tests/import/`, with what becomes of them beside
//! each. `UPDATE_IMPORTS=1 cargo test --test it import` writes down what the program says now; the
//! difference is for a person to read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use maiasaura::config::{Config, Environment};
use maiasaura::daemon::Daemon;

use crate::authority::AUTHORITY;
use crate::client::Client;
use crate::house::Folder;
use crate::process::{Ended, Program, command, run};

/// What no output may show, but where it is needed.
const SECRET: &str = "do-not-show-this";

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let entries = fs::read_dir(folder).expect("the folder can be listed");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let is_result = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        extension == "yaml" || extension == "stderr"
    };
    let mut paths: Vec<_> = paths.filter(|path| !is_result(path)).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.expect("its name is text")
}

/// Imports a text that lies in a folder of its own.
fn import(name: &str, text: &[u8]) -> (Folder, Ended) {
    let folder = Folder::new();
    fs::write(folder.path(name), text).expect("it can be written");
    let ended = run(&folder, &["import", name], b"");
    (folder, ended)
}

fn imported(path: &Path) -> Ended {
    let text = fs::read(path).expect("a sample can be read");
    let (_, ended) = import(name(path), &text);
    assert_eq!(ended.code, Some(0), "{}: {ended:#?}", path.display());
    ended
}

fn lines(lines: &[String]) -> String {
    let lines = lines.iter().flat_map(|line| [line.as_str(), "\n"]);
    lines.collect()
}

#[test]
fn every_form_is_imported_as_it_is_written_down() {
    let mut differences = Vec::new();
    for path in samples() {
        let ended = imported(&path);
        for (extension, now) in [
            ("yaml", lines(&ended.stdout)),
            ("stderr", lines(&ended.stderr)),
        ] {
            let expected = path.with_extension(extension);
            if std::env::var_os("UPDATE_IMPORTS").is_some() {
                fs::write(&expected, &now).expect("it can be written");
            }
            let before = fs::read_to_string(&expected).unwrap_or_default();
            if before != now {
                differences.push(format!("== {}\n{now}", expected.display()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.concat());
}

/// What is imported is a configuration, and everything that can be checked without its machine
/// holds: recipients, paths, chains.
#[test]
fn every_result_is_a_configuration() {
    let environment: Environment = [("HOME", "/home/me")].into_iter().collect();
    for path in samples() {
        let yaml = lines(&imported(&path).stdout);
        let config = Config::parse(&yaml, name(&path), &environment);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let service = Daemon::new(config).service();
        service.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Every key is somewhere in the result: behind what it became, or in the comments at the end.
#[test]
fn no_key_is_dropped_without_a_word() {
    for path in samples() {
        let text = fs::read_to_string(&path).expect("a sample is text");
        let yaml = lines(&imported(&path).stdout);
        for key in keys(&text) {
            assert!(
                yaml.contains(&key),
                "{}: {key} is gone:\n{yaml}",
                path.display()
            );
        }
        let shown: Vec<&str> = yaml.lines().filter(|line| line.contains(SECRET)).collect();
        let needed = |line: &&str| line.trim_start().starts_with("password: do-not-show-this");
        assert!(shown.iter().all(needed), "{}: {shown:?}", path.display());
        assert!(shown.len() <= 1, "{}: {shown:?}", path.display());
    }
}

/// The names of keys, read without any help of the program.
fn keys(text: &str) -> BTreeSet<String> {
    let json = |value: &serde_json::Value| {
        let mut keys = BTreeSet::new();
        collect(value, &mut keys);
        keys
    };
    if let Ok(value) = serde_json::from_str(text) {
        return json(&value);
    }
    let names = text
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '[']));
    let names = names.filter_map(|line| line.split(['=', ':']).next());
    let names = names.map(|name| name.trim().to_owned());
    // What is only there to be built into other values.
    names
        .filter(|name| !name.is_empty() && name != "base")
        .collect()
}

/// The innermost keys.
fn collect(value: &serde_json::Value, keys: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                if value.is_object() || value.is_array() {
                    collect(value, keys);
                } else {
                    keys.insert(key.replace('\n', "\\n"));
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

/// Two runs, with the same file under any name, say the same.
#[test]
fn a_byte_order_mark_makes_no_difference() {
    for path in samples() {
        let text = fs::read(&path).expect("a sample can be read");
        let (_, marked) = import(name(&path), &[b"\xef\xbb\xbf", &text[..]].concat());
        let plain = imported(&path);
        assert_eq!(marked.stdout, plain.stdout);
        assert_eq!(marked.stderr, plain.stderr);
    }
}

#[test]
fn what_is_no_such_configuration_is_a_complaint() {
    for (text, complaint) in [
        (&b""[..], ": there is nothing in it to import"),
        (b"\n# nothing\n", ": there is nothing in it to import"),
        (b"{}", ": there is nothing in it to import"),
        (
            b"{\n  // mine\n  \"servers\": []\n}",
            ":2:3: JSON has no comments",
        ),
        (b"// mine\n{\"servers\": []}", ":1:1: JSON has no comments"),
        (b"{\"servers\": [] # mine\n}", ":1:16: JSON has no comments"),
        (
            b"{\"servers\": [],\n}",
            ":2:1: a comma with nothing behind it",
        ),
        (b"{\"servers\": [", ": the file ends too early"),
        (b"{\"servers\": nil}", ":1:14: not JSON: "),
        (
            b"{\"colour\": \"red\"}",
            ": this is JSON, but no configuration of go-guerrilla",
        ),
        (
            b"hostname: mx.example.org\n",
            ": this is a configuration of maiasaura already",
        ),
        (b"To: you\n\nHello.\n", ": this is neither JSON"),
        (
            b"[smtp\nip4.port = 25\n[pop3]\n",
            ":1:1: this is no section",
        ),
        (b"[smtp]\nip4.port\n", ":2:1: this line has no ="),
        (
            b"[smtp]\ndomain = %(x)s\nx = %(domain)s\n",
            ": %(x)s leads to itself",
        ),
        (
            b"[smtp]\ndomain = %(x)s\n",
            ":2:1: %(x)s: neither [smtp] nor [DEFAULT] has the key x",
        ),
        (b"[colours]\nred = 1\n", ": this is neither JSON"),
        (b"\xff\xfe{\0}\0", ": this is not UTF-8"),
    ] {
        let (folder, ended) = import("old.conf", text);
        assert_eq!(ended.code, Some(65), "{ended:#?}");
        assert!(ended.stdout.is_empty(), "{ended:#?}");
        let start = "maiasaura: old.conf";
        let line = ended.complaint();
        assert!(
            line.starts_with(start) && line.contains(complaint),
            "{complaint}: {line}"
        );
        assert_eq!(folder.tree(), ["old.conf"]);
    }
}

#[test]
fn a_file_that_cannot_be_read_for_import_is_a_complaint() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder")).expect("it can be made");
    for (file, complaint) in [
        ("missing.json", "missing.json: there is no such file"),
        ("folder", "folder: this is a folder"),
        ("/dev/zero", "/dev/zero: this is more than "),
    ] {
        let ended = run(&folder, &["import", file], b"");
        let code = if file == "/dev/zero" { 65 } else { 66 };
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(ended.complaint().contains(complaint), "{ended:#?}");
    }
    let ended = run(&folder, &["import"], b"");
    assert_eq!(ended.code, Some(64), "{ended:#?}");
}

/// A result that is lost says so.
#[test]
fn a_result_that_cannot_be_written_is_a_complaint() {
    let folder = Folder::new();
    fs::write(folder.path("old.json"), r#"{"allowed_hosts": ["a.b"]}"#).expect("it can be written");
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = command(&folder, &["import", "old.json"]);
    command.stdout(full.expect("there is one"));
    let ended = Program::spawn(command).end();
    assert_eq!(ended.code, Some(74), "{ended:#?}");
    assert!(
        ended.complaint().contains("cannot write the result"),
        "{ended:#?}"
    );
}

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
