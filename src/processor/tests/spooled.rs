//! Large content and content on disk fare as small content in memory does.

use super::*;
use crate::content::{Draft, PIECE};
use crate::maildir::to_lf;

fn spooled(octets: &[u8]) -> Content {
    let mut draft = Draft::default();
    assert!(draft.fill(octets, |_| true).is_empty());
    draft
        .spill(|| Ok(tempfile::tempfile()?.into()))
        .expect("it can be written");
    draft.finish().expect("it can be written")
}

/// What is in the only file of bob, and the sizes that its name tells.
fn stored(world: &World) -> (Vec<u8>, String) {
    let files = world.files("bob/new");
    assert_eq!(files.len(), 1, "{files:?}");
    let name = files[0].file_name().unwrap().to_string_lossy();
    let sizes = name[name.find(",S=").unwrap()..].to_string();
    (fs::read(&files[0]).unwrap(), sizes)
}

/// A message with fields to be left out at both ends and in the middle of its header, so long that line ends fall on
/// the borders of pieces.
fn message(length: usize) -> Vec<u8> {
    let mut message =
        b"Return-Path: <a@x.test>\r\nSubject: t\r\nReturn-Path:\r\n <b@x.test>\r\nTo: y\r\n\
        Return-Path: <c@x.test>\r\n\r\n"
            .to_vec();
    for line in 0.. {
        if message.len() >= length {
            break;
        }
        message.resize(message.len() + line % 77, b'x');
        message.extend_from_slice(b"\r\n");
    }
    message
}

#[test]
fn it_arrives_octet_for_octet_with_either_line_end() {
    for (line_ends, length) in [
        (LineEnds::Lf, 300),
        (LineEnds::Crlf, 300),
        (LineEnds::Lf, 5 * PIECE),
        (LineEnds::Crlf, 5 * PIECE),
    ] {
        let octets = message(length);
        let header = octets.len() - octets.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let body = &octets[octets.len() - header..];
        for content in [octets.clone().into(), spooled(&octets)] {
            let world = World::with(line_ends);
            let recipients = vec![world.recipient("bob@x.test"), world.recipient("al@x.test")];
            let mut delivery = delivery_of(recipients, content);
            stage(&Header::new(100), &mut delivery);
            world.deliver(&mut delivery).unwrap();
            let (file, sizes) = stored(&world);
            let expected = [b"Subject: t\r\nTo: y", body].concat();
            let expected = match line_ends {
                LineEnds::Lf => to_lf(&expected).into_owned(),
                LineEnds::Crlf => expected,
            };
            assert!(file.ends_with(&expected), "{line_ends:?} {length}");
            let trace = String::from_utf8_lossy(&file[..file.len() - expected.len()]);
            assert!(trace.starts_with("Return-Path: <>"), "{trace}");
            assert_eq!(trace.matches("Return-Path").count(), 1, "{trace}");
            let crlf = crate::maildir::crlf_size(&file);
            assert_eq!(sizes, format!(",S={},W={crlf}", file.len()));
            assert_eq!(world.files("al/new").len(), 1);
        }
    }
}

#[test]
fn whoever_looks_at_it_sees_the_same() {
    let octets = message(3 * PIECE);
    let seen = [octets.clone().into(), spooled(&octets)].map(|content| {
        let mut delivery = delivery_of(vec![recipient("bob@x.test", Vec::new())], content);
        stage(&HeadersParser::default(), &mut delivery);
        stage(&Hasher, &mut delivery);
        stage(&Compressor::default(), &mut delivery);
        let mut inflated = Vec::new();
        ZlibDecoder::new(delivery.compressed.unwrap().as_slice())
            .read_to_end(&mut inflated)
            .unwrap();
        assert!(inflated == octets);
        (delivery.headers, delivery.digests)
    });
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0.as_ref().unwrap().subject.as_deref(), Some("t"));
}
