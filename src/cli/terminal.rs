//! Passwords from whoever sits at the terminal, or from standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Octets of a password, at most.
const LONGEST: usize = 1024;

/// Asks for a password; twice where it is a new one. What is typed is not shown. Where there is
/// no terminal it is the first line of standard input.
pub(super) fn password(prompt: &str, is_new: bool) -> io::Result<String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line();
    }
    let silence = Silence::of(&input)?;
    let password = ask(prompt)?;
    if is_new && ask("The same again: ")? != password {
        return Err(io::Error::other(
            "the two are not the same; nothing was changed",
        ));
    }
    drop(silence);
    Ok(password)
}

fn ask(prompt: &str) -> io::Result<String> {
    let mut out = io::stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let line = line();
    writeln!(out)?;
    line
}

/// The next line, without its end.
fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    match line.len() {
        0 => Err(io::Error::other("the password is empty")),
        length if length > LONGEST => Err(io::Error::other("the password is too long")),
        _ => Ok(line),
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Silence<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> Silence<T> {
    fn of(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Silence<T> {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
