//! Content in memory and on disk reads alike.

use std::os::fd::OwnedFd;

use proptest::prelude::*;

use super::*;
use crate::maildir::crlf_size;

fn file() -> io::Result<OwnedFd> {
    Ok(tempfile::tempfile()?.into())
}

/// The same content in both places.
fn both(octets: &[u8]) -> [Content; 2] {
    let mut draft = Draft::default();
    // Two pieces, so that a CRLF is cut as well.
    let (one, other) = octets.split_at(octets.len() / 2);
    for piece in [one, other] {
        assert!(draft.fill(piece, |_| true).is_empty());
        draft.spill(file).unwrap();
    }
    let spooled = draft.finish().unwrap();
    assert!(spooled.octets().is_none());
    [octets.to_vec().into(), spooled]
}

fn read(pieces: Pieces<'_>) -> Vec<u8> {
    let mut read = Vec::new();
    let take = |piece: &[u8]| {
        assert!(!piece.is_empty());
        read.extend_from_slice(piece);
        Ok(())
    };
    pieces.each(take).unwrap();
    read
}

proptest! {
    #[test]
    fn it_reads_the_same_in_any_pieces(text in "[\r\n.x]{0,30}", size in 2_usize..30) {
        let octets = text.as_bytes();
        for content in both(octets) {
            prop_assert_eq!(content.len(), octets.len());
            prop_assert_eq!(content.is_empty(), octets.is_empty());
            prop_assert_eq!(&read(content.pieces().of_size(size)), octets);
            let lf = content.pieces().with_lf().of_size(size);
            prop_assert_eq!(read(lf), to_lf(octets).into_owned());
            prop_assert_eq!(content.tally(), Tally::of(octets));
            prop_assert_eq!(content.tally().crlf_size(), crlf_size(octets));
            prop_assert_eq!(content.head(size).unwrap(), &octets[..size.min(octets.len())]);
        }
    }

    /// Parts stand for themselves: a CR at the end of one and an LF at the start of the next are two.
    #[test]
    fn parts_are_read_one_after_the_other(
        text in "[\r\n.x]{12}",
        size in 2_usize..14,
        cuts in proptest::collection::vec(0_usize..=12, 4),
    ) {
        let (octets, mut cuts) = (text.as_bytes(), cuts);
        cuts.sort_unstable();
        let parts = vec![cuts[0]..cuts[1], cuts[2]..cuts[3]];
        let expected: Vec<&[u8]> = parts.iter().map(|part| &octets[part.clone()]).collect();
        for content in both(octets) {
            let as_received = content.parts(parts.clone()).of_size(size);
            prop_assert_eq!(read(as_received), expected.concat());
            let lf: Vec<_> = expected.iter().map(|part| to_lf(part)).collect();
            prop_assert_eq!(read(content.parts(parts.clone()).of_size(size).with_lf()), lf.concat());
        }
    }
}

#[test]
fn small_content_is_kept_with_lf_too() {
    let small = Content::from(vec![b'x'; PIECE]);
    assert_eq!(small.text(), small.octets());
    assert_eq!(Content::from(b"a\r\n".to_vec()).text(), Some(&b"a\n"[..]));
    assert_eq!(Content::from(vec![b'x'; PIECE + 1]).text(), None);
    assert!(both(b"a\r\n").map(|it| it.text().is_some()) == [true, false]);
}

#[test]
fn memory_is_asked_for_and_spilled() {
    let mut draft = Draft::default();
    let mut asked = Vec::new();
    let rest = draft.fill(&[b'x'; 5000], |octets| {
        asked.push(octets);
        true
    });
    assert!(rest.is_empty());
    assert_eq!((asked, draft.memory()), (vec![10_000], 10_000));
    // No room for twice as much, but for what is here.
    assert_eq!(draft.fill(&[b'y'; 2000], |octets| octets <= 14_000), b"");
    assert_eq!(draft.memory(), 14_000);
    // No room at all: what fits is taken, and nothing is worth a file yet.
    assert_eq!(draft.fill(b"zz", |_| false), b"zz");
    assert!(!draft.can_spill());
    let large = vec![b'z'; KEPT];
    let rest = draft.fill(&large, |_| true);
    assert_eq!(rest.len(), 7000, "no more than is kept in memory");
    assert_eq!(draft.memory(), KEPT + PIECE);
    assert!(draft.can_spill() && !draft.is_spooled());
    draft.spill(file).unwrap();
    assert!(draft.is_spooled());
    assert!(draft.memory() < PIECE * 6, "{}", draft.memory());
    assert_eq!(draft.fill(rest, |_| true), b"");
    let content = draft.finish().unwrap();
    let expected = [&[b'x'; 5000][..], &[b'y'; 2000], &large].concat();
    assert!(read(content.pieces()) == expected);
    assert_eq!(content.head(5001).unwrap()[4999..], *b"xy");
}

#[test]
fn a_spool_that_cannot_be_opened_or_written_tells() {
    let full = || Err(io::ErrorKind::StorageFull.into());
    let mut draft = Draft::default();
    draft.fill(b"octets", |_| true);
    assert_eq!(
        draft.spill(full).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    let read_only = || Ok(std::fs::File::open("/dev/null")?.into());
    let error = draft.spill(read_only).unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(rustix::io::Errno::BADF.raw_os_error())
    );
}
