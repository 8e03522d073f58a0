use super::*;

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, rest].concat()
}

/// A client of IPv4 and these TLVs.
fn with(tlvs: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 0, 25];
    v2(0x21, 0x11, &[&addresses, tlvs].concat())
}

/// The same with a checksum at the end, which is right after `wrong` is added to it.
fn checked(tlvs: &[u8], wrong: u32) -> Vec<u8> {
    let mut header = with(&[tlvs, &tlv(3, &[0; 4])].concat());
    let sum = crc32c::crc32c(&header).wrapping_add(wrong);
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

fn shown(outcome: &Result<Progress, Fault>) -> String {
    match outcome {
        Ok(Progress::Missing(count)) => format!("missing {count}"),
        Ok(Progress::Whole(header, length)) => match header.source {
            Source::Proxy => format!("proxy {length}"),
            Source::Unknown => format!("unknown {length}"),
            Source::Client { client, server } => format!("{client} {server} {length}"),
        },
        Err(fault) => format!("{fault:?}"),
    }
}

/// Every beginning of a header asks for more, and never for more than there is; what follows the
/// header changes nothing.
fn cut_everywhere(header: &[u8]) {
    let whole = read(header);
    let Ok(Progress::Whole(_, length)) = whole else {
        panic!("{}", shown(&whole));
    };
    assert_eq!(length, header.len());
    for end in 0..length {
        let Ok(Progress::Missing(count)) = read(&header[..end]) else {
            panic!("{end}: {}", shown(&read(&header[..end])));
        };
        assert!((1..=length - end).contains(&count), "{end}: {count}");
    }
    for rest in [&b"\r"[..], b"EHLO c.test\r\n", header, &[0; 5000]] {
        assert_eq!(read(&[header, rest].concat()), whole);
    }
}

#[test]
fn lines_of_version_1() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(long.len(), 107);
    let too_long = long.replace("UNKNOWN ", "UNKNOWN  ");
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n",
            "192.0.2.1:4711 198.51.100.1:25 43",
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
            "[2001:db8::1]:1 [::1]:65535 36",
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::1 0 25\r\n",
            "192.0.2.1:0 [::1]:25 38",
        ),
        ("PROXY UNKNOWN\r\n", "unknown 15"),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "unknown 35"),
        (&long, "unknown 107"),
        (&too_long, "TooLong"),
        ("PROXY UNKNOWNS\r\n", "Line"),
        ("PROXY TCP4\r\n", "Line"),
        ("PROXY \r\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 25 \r\n", "Line"),
        ("PROXY TCP4  192.0.2.1 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP4\t192.0.2.1 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2.01 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2.256 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP4 ::1 ::1 4711 25\r\n", "Line"),
        ("PROXY TCP6 192.0.2.1 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP6 [::1] ::1 4711 25\r\n", "Line"),
        ("PROXY TCP6 fe80::1%eth0 ::1 4711 25\r\n", "Line"),
        ("PROXY UDP4 192.0.2.1 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY tcp4 192.0.2.1 198.51.100.1 4711 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 +1 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 01 25\r\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\n", "Line"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\rx", "Line"),
        (
            "PROXY TCP4 192.0.2.\u{661} 198.51.100.1 4711 25\r\n",
            "Line",
        ),
        ("proxy TCP4 192.0.2.1 198.51.100.1 4711 25\r\n", "None"),
        ("EHLO client.example.net\r\n", "None"),
        ("PROXIED\r\n", "None"),
        (" PROXY", "None"),
        ("PROXY TCP4 19", "missing 2"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r", "missing 1"),
    ] {
        assert_eq!(shown(&read(line.as_bytes())), expected, "{line}");
        if expected.contains(char::is_numeric) && !expected.starts_with("missing") {
            cut_everywhere(line.as_bytes());
        }
    }
}

#[test]
fn headers_of_version_2() {
    let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 27], &[1, 0, 1, 0, 25]].concat();
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1], &[0; 20]].concat();
    let table: [(&[u8], &str); 8] = [
        (&with(b""), "192.0.2.1:4711 198.51.100.1:25 28"),
        (&v2(0x21, 0x21, &six), "[2001:db8::]:1 [::1]:25 52"),
        (&v2(0x21, 0x21, &mapped), "192.0.2.1:0 [::]:0 52"),
        (&v2(0x21, 0x31, &[0; 216]), "unknown 232"),
        (&v2(0x21, 0x00, b""), "unknown 16"),
        (&v2(0x20, 0x00, b""), "proxy 16"),
        // What LOCAL has beside its length is ignored.
        (&v2(0x20, 0xff, b"whatever"), "proxy 24"),
        (&v2(0x21, 0x00, &[4; 1000]), "Length"),
    ];
    for (header, expected) in table {
        assert_eq!(shown(&read(header)), expected, "{header:?}");
        if expected != "Length" {
            cut_everywhere(header);
        }
    }
}

#[test]
fn wrong_lengths_of_version_2() {
    let longest = tlv(4, &[0; 4096 - 12 - 3]);
    cut_everywhere(&with(&longest));
    assert_eq!(with(&longest).len(), LONGEST);
    let table: [(&[u8], Fault); 14] = [
        (&with(&tlv(4, &[0; 4096 - 12 - 2])), Fault::TooLong),
        // Said at once, whatever is still to come.
        (
            &[v2::SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
            Fault::TooLong,
        ),
        (
            &[v2::SIGNATURE, &[0x20, 0x00, 0xff, 0xff]].concat(),
            Fault::TooLong,
        ),
        (
            &[v2::SIGNATURE, &[0x21, 0x11, 0, 11]].concat(),
            Fault::Length,
        ),
        (
            &[v2::SIGNATURE, &[0x21, 0x21, 0, 35]].concat(),
            Fault::Length,
        ),
        (
            &[v2::SIGNATURE, &[0x21, 0x31, 0, 215]].concat(),
            Fault::Length,
        ),
        (&[v2::SIGNATURE, &[0x11]].concat(), Fault::Version),
        (&[v2::SIGNATURE, &[0x22]].concat(), Fault::Version),
        (&[v2::SIGNATURE, &[0x21, 0x12]].concat(), Fault::Family),
        (&[v2::SIGNATURE, &[0x21, 0x41]].concat(), Fault::Family),
        (&[v2::SIGNATURE, &[0x21, 0x01]].concat(), Fault::Family),
        (&with(&[4]), Fault::Length),
        (&with(&[4, 0]), Fault::Length),
        (&with(&[4, 0, 2, 0]), Fault::Length),
    ];
    for (header, fault) in table {
        assert_eq!(read(header), Err(fault), "{header:?}");
    }
    for end in 1..12 {
        let cut = [&v2::SIGNATURE[..end], b"EHLO"].concat();
        assert_eq!(read(&cut), Err(Fault::None), "{end}");
    }
}

fn extras(tlvs: &[u8]) -> Result<Extras, Fault> {
    match read(&with(tlvs))? {
        Progress::Whole(header, _) => Ok(header.extras),
        Progress::Missing(count) => panic!("missing {count}"),
    }
}

#[test]
fn tlvs() {
    let some = |text: &str| Some(text.to_owned());
    let all = [
        tlv(1, b"smtp"),
        tlv(2, b"mx.example.org"),
        tlv(4, b"nothing"),
        tlv(5, b"\x00\xff"),
        tlv(0x30, b"blue"),
        tlv(0xea, b"\x01vpce-1"),
    ];
    let expected = Extras {
        alpn: some("smtp"),
        authority: some("mx.example.org"),
        id: some("00ff"),
        namespace: some("blue"),
        ssl: None,
    };
    assert_eq!(extras(&all.concat()), Ok(expected));
    cut_everywhere(&with(&all.concat()));
    let wrong: [(&[u8], Fault); 11] = [
        (&[tlv(2, b"a"), tlv(2, b"a")].concat(), Fault::Tlv),
        (&tlv(2, b"a\nb"), Fault::Tlv),
        (&tlv(1, b"\xff"), Fault::Tlv),
        (&tlv(5, &[b'x'; 129]), Fault::Tlv),
        (&tlv(3, &[0; 3]), Fault::Length),
        (&tlv(0x20, &[0; 4]), Fault::Length),
        (&tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 9]), Fault::Length),
        (&tlv(0x20, &[1, 0, 0, 0, 0, 0x21]), Fault::Length),
        // They are put into a comment of Received.
        (&tlv(0x20, b"\x01\0\0\0\0\x21\0\x01)"), Fault::Tlv),
        (&tlv(0x20, b"\x01\0\0\0\0\x23\0\x03a b"), Fault::Tlv),
        (
            &tlv(0x20, &[b"\x01\0\0\0\0\x23\0\x41", &[b'a'; 65][..]].concat()),
            Fault::Tlv,
        ),
    ];
    for (tlvs, fault) in wrong {
        assert_eq!(extras(tlvs), Err(fault), "{tlvs:?}");
    }
}

#[test]
fn a_checksum_is_checked() {
    cut_everywhere(&checked(b"", 0));
    let header = checked(&tlv(5, b"7"), 0);
    cut_everywhere(&header);
    for at in 16..header.len() {
        let mut spoiled = header.clone();
        spoiled[at] ^= 0x40;
        assert!(
            read(&spoiled).is_err() || at == header.len() - 7,
            "octet {at}"
        );
    }
    assert_eq!(read(&checked(b"", 1)), Err(Fault::Checksum));
    let twice = [tlv(3, &[0; 4]), tlv(3, &[0; 4])].concat();
    assert!(matches!(extras(&twice), Err(Fault::Checksum | Fault::Tlv)));
}

#[test]
fn tls_that_the_proxy_has_ended() {
    let inner = [
        tlv(0x21, b"TLSv1.3"),
        tlv(0x22, b"Bob"),
        tlv(0x23, b"AES"),
        tlv(0x29, b"x"),
    ];
    let ssl = |bits: u8, verify: u8| {
        let value = [&[bits, 0, 0, 0, verify][..], &inner.concat()].concat();
        extras(&tlv(0x20, &value)).unwrap().ssl
    };
    let known = |name: Option<&str>| {
        Some(Ssl {
            version: Some("TLSv1.3".into()),
            cipher: Some("AES".into()),
            name: name.map(str::to_owned),
        })
    };
    assert_eq!(ssl(7, 0), known(Some("Bob")));
    assert_eq!(ssl(5, 0), known(Some("Bob")));
    assert_eq!(ssl(1, 0), known(None), "no certificate was shown");
    assert_eq!(ssl(7, 1), known(None), "it was not verified");
    assert_eq!(ssl(0, 0), None, "there was no TLS");
}

proptest::proptest! {
    #[test]
    fn nothing_panics(octets in proptest::collection::vec(0_u8..=255, 0..80), kind in 0..4) {
        let start = [&b""[..], v1::PREFIX, v2::SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x30"];
        let octets = [start[usize::try_from(kind).unwrap()], &octets].concat();
        let whole = read(&octets);
        for end in 0..octets.len() {
            match (read(&octets[..end]), &whole) {
                (Ok(Progress::Missing(count)), Ok(Progress::Whole(_, length))) => {
                    proptest::prop_assert!(end + count <= *length);
                }
                (Ok(Progress::Missing(_)), _) => {}
                (earlier, whole) => proptest::prop_assert_eq!(&earlier, whole),
            }
        }
    }

    /// A writer that is not ours.
    #[test]
    fn what_others_write_is_read(
        client: std::net::SocketAddr, server: std::net::SocketAddr,
        tlvs in proptest::collection::vec((0x40_u8..=255, proptest::collection::vec(0_u8..=255, 0..40)), 0..4),
    ) {
        proptest::prop_assume!(client.is_ipv4() == server.is_ipv4());
        let addresses = (client, server);
        let mut builder = ppp::v2::Builder::with_addresses(
            ppp::v2::Version::Two | ppp::v2::Command::Proxy,
            ppp::v2::Protocol::Stream,
            addresses,
        );
        for (kind, value) in &tlvs {
            builder = builder.write_tlv(*kind, value).unwrap();
        }
        let binary = builder.build().unwrap();
        let text = ppp::v1::Addresses::from(addresses).to_string();
        let canonical = |it: std::net::SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
        let source = Source::Client { client: canonical(client), server: canonical(server) };
        for header in [&binary[..], text.as_bytes()] {
            match read(header) {
                Ok(Progress::Whole(read, length)) => {
                    proptest::prop_assert_eq!(length, header.len());
                    proptest::prop_assert_eq!(read.source, source);
                }
                other => proptest::prop_assert!(false, "{}", shown(&other)),
            }
            cut_everywhere(header);
        }
    }
}
