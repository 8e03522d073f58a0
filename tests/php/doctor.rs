//! `maiasaura check` looks at PHP, and leaves nothing behind.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::fpm::{Fpm, is_root, set_mode};
use crate::house::Folder;
use crate::process::{Ended, Program, command, configure};

/// A pool as mail needs it.
const GOOD: &str = "php_admin_flag[display_errors] = off
php_admin_value[post_max_size] = 64M
php_admin_value[upload_max_filesize] = 64M
php_admin_value[max_file_uploads] = 200
php_admin_value[memory_limit] = 512M
php_admin_value[max_execution_time] = 30";

/// What `check` says of a script with these keys; its temporary folder is one that PHP may look
/// into, or not.
fn check_from(fpm: &Fpm, script: &str, keys: &str, arguments: &[&str], mode: u32) -> Ended {
    let folder = Folder::new();
    let yaml = format!(
        "save: HeadersParser|Hasher|Header|MailDir|FastCGI\nlimits: {{message_size: 25MB}}\n\
         fastcgi: {{address: \"unix:{}\", script: {}{keys}}}\n",
        fpm.path("php.sock").display(),
        fpm.path(script).display(),
    );
    configure(&folder, &yaml);
    set_mode(&folder.path(""), mode);
    let before = (folder.tree(), names(fpm));
    let mut command = command(
        &folder,
        &[&["-c", "config.yaml", "check"], arguments].concat(),
    );
    command.env("TMPDIR", folder.path(""));
    let ended = Program::spawn(command).end();
    assert_eq!((folder.tree(), names(fpm)), before, "nothing is left");
    ended
}

fn check(fpm: &Fpm, script: &str, keys: &str) -> Ended {
    check_from(fpm, script, keys, &[], 0o755)
}

/// What is in PHP's folder.
fn names(fpm: &Fpm) -> Vec<String> {
    let entries = fs::read_dir(fpm.path("")).expect("it is there");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What is said of PHP, and the exit code.
#[track_caller]
fn says(ended: &Ended, code: i32, wanted: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    let lines = ended.stdout.iter();
    let lines: Vec<_> = lines.filter(|line| line.contains("PHP")).collect();
    assert_eq!(lines.len(), wanted.len(), "{ended:#?}");
    for (line, wanted) in lines.iter().zip(wanted) {
        let mut rest = line.as_str();
        for part in wanted.split("...") {
            let at = rest.find(part);
            let at = at.unwrap_or_else(|| panic!("{wanted}: {line}"));
            rest = &rest[at + part.len()..];
        }
    }
}

#[test]
fn a_good_pool_is_found_good() {
    let fpm = Fpm::with(GOOD);
    for body in ["raw", "json", "multipart", "sendgrid"] {
        let ended = check(&fpm, "saved.php", &format!(", body: {body}"));
        says(&ended, 0, &["ok    PHP 8..."]);
    }
    // From where PHP may not look the probe is put beside the script.
    if is_root() {
        let ended = check_from(&fpm, "saved.php", "", &[], 0o700);
        says(&ended, 0, &["ok    PHP 8..."]);
    }
}

/// A PHP that is somebody else cannot read the files itself.
#[test]
fn php_must_be_able_to_read_what_it_is_to_read() {
    let fpm = Fpm::with(GOOD);
    let lines: &[_] = if is_root() {
        &["warn  PHP: it runs as uid ..., we as 0, and maildir.file_mode is 0600:"]
    } else {
        &["ok    PHP 8..."]
    };
    says(&check(&fpm, "saved.php", ", body: path"), 0, lines);
}

/// As PHP is built: 8M, 2M, 20, 128M, and errors are shown.
#[test]
fn lines_to_change_are_told() {
    let fpm = Fpm::start();
    let shown = "warn  PHP: display_errors is on:...display_errors = Off";
    for (keys, code, lines) in [
        (
            ", body: multipart",
            78,
            &[
                "FAULT PHP: post_max_size is 8M: a message of 25MB would come empty...= 25M",
                "FAULT PHP: upload_max_filesize is 2M:...upload_max_filesize = 24M",
                "warn  PHP: max_file_uploads is 20:...= 100",
                shown,
            ][..],
        ),
        (
            "",
            78,
            &[
                "FAULT PHP: post_max_size is 8M, and display_errors is on:...= 25M",
                shown,
            ],
        ),
        (
            ", acknowledgement: status, timeout: 10s",
            78,
            &[
                "warn  PHP: post_max_size is 8M: larger messages come",
                "warn  PHP: max_execution_time is 30, longer than fastcgi.timeout (10s)...= 10",
                "FAULT PHP: display_errors is on: PHP says 200 after an error",
            ],
        ),
        (
            ", uri: /api/webhooks/mail",
            78,
            &[
                "FAULT PHP: post_max_size is 8M, and display_errors is on:...= 25M",
                shown,
            ],
        ),
        (
            ", body: guerrilla",
            78,
            &[
                "FAULT PHP: post_max_size is 8M:...= 72M",
                "warn  PHP: memory_limit is 128M:...= 152M",
                shown,
            ],
        ),
    ] {
        says(&check(&fpm, "saved.php", keys), code, lines);
    }
}

/// A framework may have a limit of its own, which it takes from PHP.
#[test]
fn a_framework_may_refuse_what_php_would_take() {
    let lines = GOOD.replace("post_max_size] = 64M", "post_max_size] = 8M");
    let fpm = Fpm::with(&lines);
    let ended = check(&fpm, "saved.php", ", uri: /api/webhooks/mail");
    let wanted = "FAULT PHP: post_max_size is 8M: a framework may refuse larger messages for \
                  good...post_max_size = 25M, or lower limits.message_size";
    says(&ended, 78, &[wanted]);
    let ended = check(&fpm, "saved.php", "");
    says(
        &ended,
        0,
        &["warn  PHP: post_max_size is 8M: larger messages come"],
    );
}

/// Who can read the secret can sign.
#[test]
fn a_secret_is_for_nobody_else() {
    let fpm = Fpm::with(GOOD);
    let secret = fpm.write("secret", "s3cret\n");
    let keys = format!(", secret_file: {}", secret.display());
    let is_told = |ended: &Ended| {
        let mut lines = ended.stdout.iter();
        lines.any(|line| line.starts_with("warn  fastcgi.secret_file: others than its owner"))
    };
    for (mode, told) in [(0o644, true), (0o620, true), (0o640, false), (0o600, false)] {
        set_mode(&secret, mode);
        let ended = check(&fpm, "saved.php", &keys);
        assert_eq!(
            (ended.code, is_told(&ended)),
            (Some(0), told),
            "{mode:o}: {ended:#?}"
        );
    }
}

#[test]
fn scripts_must_be_there() {
    let fpm = Fpm::with(GOOD);
    let ended = check(&fpm, "missing.php", "");
    says(
        &ended,
        78,
        &["FAULT PHP: /.../missing.php is not seen by PHP"],
    );
    if is_root() {
        let secret = fpm.write("secret.php", "<?php echo 'SAVED';");
        set_mode(&secret, 0o600);
        let ended = check(&fpm, "secret.php", "");
        says(
            &ended,
            78,
            &["FAULT PHP: /.../secret.php cannot be read by PHP"],
        );
    }
    let ended = check(&fpm, "saved.php", ", validate: {script: /nowhere/v.php}");
    says(
        &ended,
        78,
        &["FAULT PHP: /nowhere/v.php is not seen by PHP"],
    );
}

/// Where it may run nothing of ours, that is said and is no fault.
#[test]
fn php_may_be_shut_in() {
    let fpm = Fpm::with(&format!("{GOOD}\nphp_admin_value[open_basedir] = /nowhere"));
    let ended = check(&fpm, "saved.php", "");
    says(
        &ended,
        0,
        &["warn  PHP-FPM at unix:/...runs no probe of ours"],
    );
}

#[test]
fn nobody_may_be_there() {
    let mut fpm = Fpm::start();
    fpm.stop();
    let socket = fpm.path("php.sock");
    let _ = fs::remove_file(&socket);
    let gone = "FAULT PHP-FPM at unix:/...: there is no such socket; start PHP-FPM";
    says(&check(&fpm, "saved.php", ""), 78, &[gone]);
    drop(UnixListener::bind(&socket).expect("the folder is ours"));
    let refused = "FAULT PHP-FPM at unix:/...cannot connect to unix:/...refused...start PHP-FPM";
    says(&check(&fpm, "saved.php", ""), 78, &[refused]);
    fs::remove_file(&socket).expect("it is there");
    fs::write(&socket, "").expect("the folder is ours");
    let file = "FAULT PHP-FPM at unix:/...: is no socket";
    says(&check(&fpm, "saved.php", ""), 78, &[file]);
}

#[test]
fn a_sample_is_handed_over() {
    let fpm = Fpm::with(GOOD);
    fpm.write(
        "sample.php",
        "<?php preg_match('/^Subject: (\\w+)\\r\\n/m', file_get_contents('php://input'), $found);
         if ($found[1] === 'no') exit(http_response_code(422));
         error_log('seen'); header(\"X-Mail-Ack: $_SERVER[MAIL_KEY]\"); echo $_SERVER['MAIL_RCPT'];",
    );
    let mail = |subject: &str| {
        let path = fpm.write(subject, format!("Subject: {subject}\n\nbody\n"));
        path.display().to_string()
    };
    let yes = mail("yes");
    let arguments = ["--mail", &yes, "--to", "bob@example.org"];
    let ended = check_from(&fpm, "sample.php", "", &arguments, 0o755);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for line in [
        "ok    the sample for bob@example.org: taken",
        "answer  bob@example.org",
    ] {
        assert!(ended.stdout.iter().any(|said| said == line), "{ended:#?}");
    }
    let no = mail("no");
    let ended = check_from(&fpm, "sample.php", "", &["--mail", &no], 0o755);
    assert_eq!(ended.code, Some(78), "{ended:#?}");
    let refused = "FAULT the sample for postmaster@mx.example.org: 550 5.7.1 ";
    let mut lines = ended.stdout.iter();
    assert!(lines.any(|line| line.starts_with(refused)), "{ended:#?}");
    let ended = check_from(&fpm, "sample.php", "", &["--mail", "nowhere"], 0o755);
    assert_eq!(ended.code, Some(66), "{ended:#?}");
}
