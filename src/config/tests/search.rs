//! Which file is read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::config::source::load;
use crate::config::{ConfigError, Environment};

struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The number of threads that is configured, which stands for the file, and its name.
    fn found(
        &self,
        file: Option<&str>,
        variable: Option<&str>,
    ) -> Result<(usize, String), ConfigError> {
        let variable = variable.map(|name| match name {
            "" => String::new(),
            name => self.path(name).display().to_string(),
        });
        let environment: Environment = variable
            .into_iter()
            .map(|name| ("MAIASAURA_CONFIG", name))
            .collect();
        let file = file.map(|name| self.path(name));
        let candidates = [self.path("first"), self.path("second")];
        let (config, source) = load(file.as_deref(), &candidates, &environment)?;
        let name = source
            .name()
            .replace(&format!("{}/", self.folder.path().display()), "");
        Ok((config.threads, name))
    }

    fn complaint(&self, file: Option<&str>, variable: Option<&str>) -> String {
        let said = self.found(file, variable).unwrap_err().to_string();
        said.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

#[test]
fn the_first_that_is_there_counts() {
    let files = Files::new();
    assert_eq!(files.found(None, None), Ok((0, "built-in defaults".into())));
    files.write("second", "threads: 2");
    assert_eq!(files.found(None, None), Ok((2, "second".into())));
    files.write("first", "threads: 1");
    assert_eq!(files.found(None, None), Ok((1, "first".into())));
    files.write("variable", "threads: 3");
    assert_eq!(
        files.found(None, Some("variable")),
        Ok((3, "variable".into()))
    );
    assert_eq!(files.found(None, Some("")), Ok((1, "first".into())));
    files.write("named", "threads: 4");
    assert_eq!(
        files.found(Some("named"), Some("variable")),
        Ok((4, "named".into()))
    );
    files.write("named", "");
    assert_eq!(
        files.found(Some("named"), None),
        Ok((0, "named".into())),
        "an empty file is one"
    );
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let files = Files::new();
    files.write("first", "");
    assert_eq!(
        files.complaint(Some("named"), None),
        "named: there is no such file"
    );
    assert_eq!(
        files.complaint(None, Some("variable")),
        "variable: there is no such file"
    );
}

#[test]
fn a_file_that_is_there_must_be_readable() {
    let files = Files::new();
    fs::create_dir(files.path("first")).unwrap();
    let directory = "first: this is a directory; name the file in it";
    assert_eq!(files.complaint(None, None), directory);
    assert_eq!(files.complaint(Some("first"), None), directory);
    files.write("text", b"# caf\xc3\xa9\nhostname: \xe9");
    assert_eq!(
        files.complaint(Some("text"), None),
        "text:2:11: this is not UTF-8; save the file in that encoding"
    );
    let secret = files.write("secret", "");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads everything.
    if fs::read(&secret).is_err() {
        let message = "secret: this user may not read it; change its owner or mode";
        assert_eq!(files.complaint(Some("secret"), None), message);
    }
}

#[test]
fn later_errors_have_places_too() {
    let files = Files::new();
    let text = "recipients:\n  hosts:\n    - a.example\n    - 'b c'\n  aliases:\n    info@a.example: [x@y]\n\
                save: [MailDir, Fax]\nlimits: {errors: ${N}}\n";
    let file = files.write("m.yaml", text);
    let variables = [("N", "5"), ("MAIASAURA__RECIPIENTS__CATCH_ALL", "x@y")];
    let (_, source) = load(Some(&file), &[""; 0], &variables.into_iter().collect()).unwrap();
    for (key, said) in [
        ("recipients.hosts[1]", "m.yaml:4:7: recipients.hosts[1]: no"),
        ("recipients.hosts[7]", "m.yaml:3:5: recipients.hosts[7]: no"),
        (
            "recipients.aliases.info@a.example",
            "m.yaml:6:21: recipients.aliases.info@a.example: no",
        ),
        (
            "recipients.aliases.info@a.example[0]",
            "m.yaml:6:22: recipients.aliases.info@a.example[0]: no",
        ),
        ("save", "m.yaml:7:7: save: no"),
        ("limits.errors", "m.yaml:8:18: limits.errors: no"),
        ("limits.memory", "m.yaml:8:9: limits.memory: no"),
        ("log.file", "m.yaml: log.file: no"),
        ("maildir.path", "m.yaml: maildir.path: no"),
        (
            "recipients.catch_all",
            "MAIASAURA__RECIPIENTS__CATCH_ALL: recipients.catch_all: no",
        ),
    ] {
        let error = source.error(key, "no").to_string();
        assert_eq!(error.replace(&file.display().to_string(), "m.yaml"), said);
    }
}
