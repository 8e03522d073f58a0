//! What single values of the section cannot show.

use super::{BodyForm, FastcgiConfig, Handover};
use crate::config::Config;
use crate::config::check::{Outcome, refuse};

pub(in crate::config) fn check(config: &Config) -> Outcome {
    let Some(fastcgi) = &config.fastcgi else {
        return Ok(());
    };
    let missing = "is missing; write where PHP-FPM listens, such as unix:/run/php/php-fpm.sock";
    refuse(fastcgi.address.is_none(), "fastcgi.address", missing)?;
    let missing = "is missing; write the script that is given messages, such as /app/receive.php";
    refuse(fastcgi.script.is_none(), "fastcgi.script", missing)?;
    paths(fastcgi)?;
    uris(fastcgi)?;
    let message = "is there beside fastcgi.secret_file; keep one of them";
    let both = fastcgi.secret.is_some() && fastcgi.secret_file.is_some();
    refuse(both, "fastcgi.secret", message)?;
    let is_blank = |secret: &str| secret.trim().is_empty();
    let empty = fastcgi.secret.as_deref().is_some_and(is_blank);
    refuse(empty, "fastcgi.secret", "is empty; write a secret, or ~")?;
    let message = "with 0 no mail could go to PHP; write a larger number";
    refuse(fastcgi.connections == 0, "fastcgi.connections", message)?;
    let message = "the message lies nowhere yet while the client waits; write \
                   `delivery: queued`, or another form such as raw";
    let nowhere = fastcgi.body == BodyForm::Path && fastcgi.delivery == Handover::Inline;
    refuse(nowhere, "fastcgi.body", message)?;
    file_to_read(config, fastcgi)?;
    times(config, fastcgi)
}

/// A PHP that reads the file itself needs one.
fn file_to_read(config: &Config, fastcgi: &FastcgiConfig) -> Outcome {
    let place = |name: &str| {
        let mut save = config.save.iter();
        save.position(|link| link.trim().eq_ignore_ascii_case(name))
    };
    let (maildir, php) = (place("MailDir"), place("FastCGI"));
    let is_without = php.is_some() && maildir.is_none_or(|maildir| Some(maildir) > php);
    let message = "no file is there for PHP to read; write MailDir before FastCGI in save, or \
                   another form such as raw";
    let without = fastcgi.body == BodyForm::Path && is_without;
    refuse(without, "fastcgi.body", message)
}

/// Nothing of a client gets into the name of a script.
fn paths(fastcgi: &FastcgiConfig) -> Outcome {
    let validate = &fastcgi.validate;
    for (key, path) in [
        ("fastcgi.script", &fastcgi.script),
        ("fastcgi.root", &fastcgi.root),
        ("fastcgi.validate.script", &validate.script),
    ] {
        let Some(path) = path else { continue };
        let shown = path.display();
        let message = format!("{shown} does not begin with /; write the path as PHP-FPM sees it");
        refuse(path.is_relative(), key, message)?;
        let has_captures = path.to_string_lossy().contains(['{', '}']);
        let message = format!("{shown} has a {{ or }} in it; the script is always the same one");
        refuse(has_captures, key, message)?;
    }
    let Some(root) = &fastcgi.root else {
        return Ok(());
    };
    let scripts = [&fastcgi.script, &validate.script];
    let mut scripts = scripts.into_iter().flatten();
    let outside = scripts.any(|script| !script.starts_with(root));
    let message = format!("the script does not lie in {}", root.display());
    refuse(outside, "fastcgi.root", message)
}

fn uris(fastcgi: &FastcgiConfig) -> Outcome {
    for (key, uri) in [
        ("fastcgi.uri", &fastcgi.uri),
        ("fastcgi.validate.uri", &fastcgi.validate.uri),
    ] {
        let Some(uri) = uri else { continue };
        let is_uri = uri.starts_with('/') && uri.bytes().all(|octet| octet.is_ascii_graphic());
        let message = format!("{uri:?} is not a route; write one such as /webhooks/mail");
        refuse(!is_uri, key, message)?;
    }
    Ok(())
}

fn times(config: &Config, fastcgi: &FastcgiConfig) -> Outcome {
    for (key, time) in [
        ("fastcgi.connect_timeout", fastcgi.connect_timeout),
        ("fastcgi.timeout", fastcgi.timeout),
        ("fastcgi.validate.timeout", fastcgi.validate.timeout),
    ] {
        let message = "no time at all is not enough; write a time such as 30s";
        refuse(time.get().is_zero(), key, message)?;
    }
    let (time, delivery) = (fastcgi.timeout, config.timeouts.delivery);
    let message = format!(
        "{time} is not shorter than timeouts.delivery ({delivery}), which the client waits for \
         at most; lower the one or raise the other"
    );
    let inline = fastcgi.delivery == Handover::Inline;
    refuse(inline && time >= delivery, "fastcgi.timeout", message)
}
