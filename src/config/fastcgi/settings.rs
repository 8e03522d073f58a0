//! The section becomes what the bridge and the processor are told.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Acknowledge, BodyForm, FastcgiConfig, PhpAddress};
use crate::fastcgi::{Acknowledgement, Body, Endpoint, Script, Secret, Settings};
use crate::processor::Times;

impl FastcgiConfig {
    /// How PHP is reached; reads the secret.
    pub fn settings(&self) -> Result<Settings, String> {
        let endpoint = match &self.address {
            Some(PhpAddress::Unix(path)) => Endpoint::Unix(path.clone()),
            Some(PhpAddress::Tcp(address)) => Endpoint::Tcp(address.clone()),
            None => return Err("fastcgi.address is missing".into()),
        };
        let Some(save) = &self.script else {
            return Err("fastcgi.script is missing".into());
        };
        let validate = &self.validate;
        let asked = validate.script.as_ref().unwrap_or(save);
        // Another script has another route.
        let default = self.uri.as_ref().filter(|_| validate.script.is_none());
        let uri = validate.uri.as_ref().or(default);
        Ok(Settings {
            endpoint,
            save: self.script(save, self.uri.as_ref()),
            validate: self.script(asked, uri),
            body: body(self.body),
            acknowledgement: match self.acknowledgement {
                Acknowledge::Required => Acknowledgement::Required,
                Acknowledge::Status => Acknowledgement::Status,
            },
            secret: self.secret()?,
            connections: self.connections,
            connect_timeout: self.connect_timeout.get(),
            timeout: self.timeout.get(),
            validate_timeout: validate.timeout.get(),
        })
    }

    /// How long answers about recipients are believed.
    pub fn times(&self) -> Times {
        let validate = &self.validate;
        Times {
            positive: validate.positive.get(),
            negative: validate.negative.get(),
            stale_if_error: validate.stale_if_error.get(),
            entries: validate.entries,
        }
    }

    fn script(&self, file: &Path, uri: Option<&String>) -> Script {
        let folder = || file.parent().unwrap_or(Path::new("/")).to_owned();
        Script {
            file: file.to_owned(),
            root: self.root.clone().unwrap_or_else(folder),
            uri: uri.cloned(),
        }
    }

    fn secret(&self) -> Result<Option<Secret>, String> {
        let text = match &self.secret_file {
            Some(file) => Some(read(file)?),
            None => self.secret.as_deref().map(str::to_owned),
        };
        Ok(text.map(Secret::new))
    }
}

fn read(file: &PathBuf) -> Result<String, String> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| format!("fastcgi.secret_file: {shown}: {error}"))?;
    match text.trim() {
        "" => Err(format!("fastcgi.secret_file: {shown} is empty")),
        text => Ok(text.to_owned()),
    }
}

fn body(form: BodyForm) -> Body {
    match form {
        BodyForm::Raw => Body::Raw,
        BodyForm::Json => Body::Json,
        BodyForm::Multipart => Body::Multipart,
        BodyForm::Path => Body::Path,
        BodyForm::Guerrilla => Body::Guerrilla,
        BodyForm::Sendgrid => Body::Sendgrid,
        BodyForm::Mailgun => Body::Mailgun,
        BodyForm::Postmark => Body::Postmark,
        BodyForm::Postal => Body::Postal,
    }
}
