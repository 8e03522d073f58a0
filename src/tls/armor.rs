//! Whether a PEM file (RFC 7468) is whole: one that was cut, or was not written to its end yet, may
//! still hold a certificate, but not what leads from it to a root.

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// What is wrong with it. Text outside of BEGIN and END is a remark.
pub(super) fn fault(octets: &[u8]) -> Option<String> {
    let mut open: Option<(usize, &[u8])> = None;
    for (index, line) in octets.split_inclusive(|&octet| octet == b'\n').enumerate() {
        let number = index + 1;
        let text = line.trim_ascii_end();
        let is_last = line.last() != Some(&b'\n');
        match (marker(text, BEGIN), marker(text, END), open) {
            (Marker::Whole(_), _, Some((begun, _))) => return Some(unended(begun)),
            (Marker::Whole(label), _, None) => open = Some((number, label)),
            (_, Marker::Whole(label), Some((_, begun))) if label == begun => open = None,
            (_, Marker::Whole(_), _) => {
                return Some(format!("has an END in line {number} without its BEGIN"));
            }
            (Marker::Broken, ..) | (_, Marker::Broken, _) => return Some(broken(number)),
            (_, _, None) if is_last && !text.is_empty() && BEGIN.starts_with(text) => {
                return Some(broken(number));
            }
            (_, _, Some((begun, _))) if !is_body(text) => {
                return Some(if is_last {
                    unended(begun)
                } else {
                    format!("has something in line {number} that is not base64")
                });
            }
            _ => {}
        }
    }
    open.map(|(begun, _)| unended(begun))
}

enum Marker<'a> {
    /// With this label.
    Whole(&'a [u8]),
    /// It begins as one.
    Broken,
    No,
}

fn marker<'a>(line: &'a [u8], begin: &[u8]) -> Marker<'a> {
    match line.strip_prefix(begin) {
        None => Marker::No,
        Some(rest) => rest
            .strip_suffix(DASHES)
            .map_or(Marker::Broken, Marker::Whole),
    }
}

/// Base64, or what stands before it in the keys of old tools (RFC 1421 section 4.6).
fn is_body(line: &[u8]) -> bool {
    let is_base64 = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/= \t\r".contains(octet);
    line.iter().all(is_base64)
        || line.starts_with(b"Proc-Type: ")
        || line.starts_with(b"DEK-Info: ")
}

fn unended(line: usize) -> String {
    format!("is cut off: what begins in line {line} has no end")
}

fn broken(line: usize) -> String {
    format!("is cut off in line {line}, which should be a whole BEGIN or END")
}

#[test]
fn what_is_cut_anywhere_is_noticed() {
    let [one, other] = ["Zm9v", "YmFy"]
        .map(|text| format!("-----BEGIN X-----\n{text}\n{text}==\n-----END X-----\n"));
    let whole = format!("a remark\n-----\n{one}\n--\n{other}-----\nthe end");
    assert_eq!(fault(whole.as_bytes()), None);
    assert_eq!(fault(whole.replace('\n', "\r\n").as_bytes()), None);
    let both = format!("{one}{other}");
    for cut in 0..both.len() {
        let is_between = [0, one.len() - 1, one.len(), both.len() - 1].contains(&cut);
        let fault = fault(&both.as_bytes()[..cut]);
        assert_eq!(fault.is_none(), is_between, "{cut}: {fault:?}");
    }
}

#[test]
fn what_is_damaged_is_named() {
    for (pem, said) in [
        (
            "-----BEGIN X-----\nZm9v\n-----BEGIN X-----\nZm9v\n-----END X-----\n",
            "begins in line 1 has no end",
        ),
        (
            "-----BEGIN X-----\nZm9v\n-----END Y-----\n",
            "END in line 3 without its BEGIN",
        ),
        ("Zm9v\n-----END X-----\n", "END in line 2 without its BEGIN"),
        (
            "-----BEGIN X-----\nZm\u{0}v\n-----END X-----\n",
            "line 2 that is not base64",
        ),
        (
            "-----BEGIN X\nZm9v\n-----END X-----\n",
            "is cut off in line 1",
        ),
    ] {
        let fault = fault(pem.as_bytes()).unwrap_or_default();
        assert!(fault.contains(said), "{pem}: {fault}");
    }
    let old = "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nZm9v\n-----END K-----\n";
    assert_eq!(fault(old.as_bytes()), None);
}
