//! Every transcript, however its octets are cut; and what holds for every reply.
//!
//! `UPDATE_TRANSCRIPTS=1 cargo test` writes down what the server says now; the
//! difference is for a person to read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::player::{Pace, play};
use crate::transcript::{self, Dialogue, Heard, Turn};
use crate::world::{HOSTNAME, Loopback, profile};

/// Sizes of the pieces that all dialogues are cut into.
const PIECES: [usize; 7] = [usize::MAX, 1, 2, 3, 7, 64, 1000];

/// The files below `folder`, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// All dialogues of all transcripts, by file.
pub fn transcripts() -> Vec<(PathBuf, Vec<Dialogue>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a transcript is text");
        match transcript::parse(&text) {
            Ok(dialogues) => (path, dialogues),
            Err(fault) => panic!("{}: {fault}", path.display()),
        }
    };
    files(&folder).into_iter().map(read).collect()
}

fn connect(dialogue: &Dialogue) -> Loopback {
    match profile(&dialogue.settings) {
        Ok(profile) if dialogue.setting("tls") == Some("not ready") => {
            Loopback::new(profile).without_certificate()
        }
        Ok(profile) => Loopback::new(profile),
        Err(fault) => panic!("{}: {fault}", dialogue.title),
    }
}

/// Plays a dialogue and says where it went otherwise than written.
fn hear(dialogue: &Dialogue, pace: Pace) -> Result<Vec<Heard>, String> {
    hear_turns(dialogue, &pace.turns(dialogue), pace)
}

fn hear_turns(dialogue: &Dialogue, turns: &[Turn], pace: Pace) -> Result<Vec<Heard>, String> {
    let heard = play(turns, pace, &mut connect(dialogue));
    for (turn, heard) in turns.iter().zip(&heard) {
        turn.check(heard)
            .map_err(|difference| format!("== {} ({pace:?})\n{difference}", dialogue.title))?;
    }
    Ok(heard)
}

/// What was heard in all turns together.
fn sum(heard: &[Heard]) -> Heard {
    let mut sum = Heard::default();
    for heard in heard {
        sum.replies.extend_from_slice(&heard.replies);
        sum.deliveries.extend_from_slice(&heard.deliveries);
        sum.closed |= heard.closed;
    }
    sum
}

fn rewrite(path: &Path, dialogues: &mut [Dialogue]) {
    for dialogue in &mut *dialogues {
        let heard = play(&dialogue.turns, Pace::LockStep, &mut connect(dialogue));
        for (turn, heard) in dialogue.turns.iter_mut().zip(&heard) {
            turn.rewrite(heard);
        }
    }
    let text: String = dialogues.iter().map(ToString::to_string).collect();
    fs::write(path, text).expect("a transcript can be written");
}

/// The same octets in any pieces: the same replies and deliveries, and those that are written.
#[test]
fn every_dialogue_goes_as_written() {
    let mut differences = Vec::new();
    for (path, mut dialogues) in transcripts() {
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            rewrite(&path, &mut dialogues);
        }
        for dialogue in &dialogues {
            if let Err(difference) = check(dialogue) {
                differences.push(format!("{}\n{difference}", path.display()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

fn check(dialogue: &Dialogue) -> Result<(), String> {
    let lock_step = sum(&hear(dialogue, Pace::LockStep)?);
    for size in PIECES.into_iter().filter(|_| dialogue.may_be_cut()) {
        let heard = sum(&hear(dialogue, Pace::Pieces(size))?);
        if heard != lock_step {
            let title = &dialogue.title;
            return Err(format!("== {title}\nin pieces of {size}: {heard:#?}"));
        }
    }
    Ok(())
}

/// Dialogues of the usual size are also cut in two, wherever that can be.
#[test]
fn no_cut_changes_a_dialogue() {
    for (path, dialogues) in transcripts() {
        for dialogue in dialogues.into_iter().filter(Dialogue::may_be_cut) {
            let turns = Pace::SplitAt(0).turns(&dialogue);
            let length = turns.iter().map(|turn| turn.octets.len()).max();
            for at in 1..length.filter(|length| *length < 2000).unwrap_or(0) {
                if let Err(difference) = hear_turns(&dialogue, &turns, Pace::SplitAt(at)) {
                    panic!("{}\n{difference}", path.display());
                }
            }
        }
    }
}

/// RFC 5321 section 4.5.3.1.5 (length), 2.3.8 (line ends), 4.2 (form); RFC 2034 section 4 (class).
#[test]
fn every_reply_is_well_formed() {
    for (path, dialogues) in transcripts() {
        for dialogue in dialogues {
            let heard = play(&dialogue.turns, Pace::LockStep, &mut connect(&dialogue));
            for line in sum(&heard).replies.split_inclusive(|&octet| octet == b'\n') {
                let shown = String::from_utf8_lossy(line);
                assert!(is_well_formed(line), "{}: {shown}", path.display());
            }
        }
    }
}

fn is_well_formed(line: &[u8]) -> bool {
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return false;
    };
    let printable = text.iter().all(|octet| (b' '..=b'~').contains(octet));
    let [
        class @ b'2'..=b'5',
        b'0'..=b'9',
        b'0'..=b'9',
        b' ' | b'-',
        text @ ..,
    ] = text
    else {
        return false;
    };
    let plain = line.starts_with(b"220 ") || line.starts_with(b"3") || is_answer_to_greeting(text);
    line.len() <= 512 && printable && (plain || is_enhanced(text, *class))
}

/// EHLO is answered by our name and by keywords, which begin with no digit.
fn is_answer_to_greeting(text: &[u8]) -> bool {
    const KEYWORDS: [&str; 12] = [
        "XCLIENT",
        "XFORWARD",
        "PIPELINING",
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "BINARYMIME",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "AUTH",
        "HELP",
    ];
    let text = String::from_utf8_lossy(text);
    let word = text.split(' ').next().unwrap_or_default();
    text == HOSTNAME || KEYWORDS.contains(&word)
}

/// `class "." subject "." detail " " text`, with one to three digits in subject and detail.
fn is_enhanced(text: &[u8], class: u8) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((status, _)) = text.split_once(' ') else {
        return false;
    };
    let parts: Vec<&str> = status.split('.').collect();
    let number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit())
    };
    parts.len() == 3 && parts.iter().all(number) && parts[0].as_bytes() == [class]
}

/// What a client says about itself or an address does not come back to it.
#[test]
fn no_reply_repeats_the_client() {
    for (path, dialogues) in transcripts() {
        for dialogue in dialogues {
            let heard = play(&dialogue.turns, Pace::LockStep, &mut connect(&dialogue));
            let replies = String::from_utf8_lossy(&sum(&heard).replies).into_owned();
            let said: Vec<u8> = dialogue
                .turns
                .iter()
                .flat_map(|turn| turn.octets.clone())
                .collect();
            for word in String::from_utf8_lossy(&said).split_whitespace() {
                let theirs = word.contains(['@', '<', '/', '\u{1b}', '.']);
                let theirs = theirs && !HOSTNAME.contains(word);
                assert!(
                    !theirs || !replies.contains(word),
                    "{}: {word} is echoed",
                    path.display()
                );
            }
        }
    }
}
