//! Where a message lies, told to a PHP that reads files itself.

use crate::fpm::Fpm;
use crate::house::{Folder, eventually};
use crate::process::Program;

/// The path does not depend on what PHP was started in, though that of the Maildirs may depend on
/// what we were started in; as is the default.
#[test]
fn the_path_of_a_message_is_absolute() {
    let fpm = Fpm::start();
    fpm.make("notes");
    let folder = Folder::new();
    let yaml = format!(
        "save: HeadersParser|Hasher|Header|MailDir|FastCGI\nmaildir: {{path: \"maildirs/{{host}}/{{user}}\"}}\n\
         fastcgi: {{\"address\": \"unix:{}\", script: {}, body: path}}\n",
        fpm.path("php.sock").display(),
        fpm.path("where.php").display(),
    );
    let program = Program::serve(&folder, &yaml);
    let mail = b"Subject: t\r\n\r\nbody\r\n";
    let reply = program
        .client()
        .deliver("s@example.net", &["bob@example.org"], mail);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    eventually("it is handed over", || folder.letters("fastcgi").is_empty());
    let file = &folder.mail("example.org/bob").path;
    let noted = std::fs::read_to_string(fpm.path("notes/where")).expect("it is noted");
    let (_, path) = noted.split_once(' ').expect("it has two words");
    assert_eq!(path, file.display().to_string());
    program.stop();
}
