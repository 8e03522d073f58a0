use super::*;

/// What the argument says, in a word for each attribute.
fn read(argument: &str) -> String {
    let Ok(identity) = Identity::parse(argument) else {
        return "refused".into();
    };
    let Identity {
        name,
        address,
        port,
        greeting,
        helo,
        login,
        server_address,
        server_port,
    } = identity;
    let words = [
        word("name", name, |it| it),
        word("addr", address, |it| it.to_string()),
        word("port", port, |it| it.to_string()),
        word("proto", greeting, |it| format!("{it:?}")),
        word("helo", helo, |it| it.to_string()),
        word("login", login, |it| it),
        word("destaddr", server_address, |it| it.to_string()),
        word("destport", server_port, |it| it.to_string()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn word<T>(name: &str, attribute: Attribute<T>, shown: impl Fn(T) -> String) -> Option<String> {
    match attribute {
        Attribute::Absent => None,
        Attribute::Unavailable => Some(format!("{name}:-")),
        Attribute::Value(value) => Some(format!("{name}:{}", shown(value))),
    }
}

#[test]
fn arguments_of_xclient() {
    let long = format!("NAME={}", "x".repeat(256));
    for (argument, expected) in [
        ("ADDR=192.0.2.1", "addr:192.0.2.1"),
        ("addr=192.0.2.1 Port=25", "addr:192.0.2.1 port:25"),
        ("ADDR=IPV6:2001:db8::1", "addr:2001:db8::1"),
        ("ADDR=ipv6:::ffff:192.0.2.1", "addr:192.0.2.1"),
        ("ADDR=2001:db8::1", "refused"),
        ("ADDR=IPV6:192.0.2.1", "refused"),
        ("ADDR=IPV6:", "refused"),
        ("ADDR=[192.0.2.1]", "refused"),
        ("ADDR=192.0.2.01", "refused"),
        ("ADDR=192.0.2.1/24", "refused"),
        ("ADDR=", "refused"),
        ("ADDR", "refused"),
        ("", "refused"),
        ("  ", "refused"),
        ("=", "refused"),
        ("ADDR=[UNAVAILABLE] NAME=[tempunavail]", "name:- addr:-"),
        ("NAME=host_1.example.net", "name:host_1.example.net"),
        ("NAME=a+0Ab", "refused"),
        ("NAME=a(b)", "refused"),
        (&long, "refused"),
        ("LOGIN=a+2Bb+40c", "login:a+b@c"),
        ("LOGIN=a=b", "login:a=b"),
        ("LOGIN=+c3+BC", "login:\u{fc}"),
        ("LOGIN=+FF", "refused"),
        ("LOGIN=+0D+0A", "refused"),
        ("LOGIN=+7F", "refused"),
        ("LOGIN=+4", "refused"),
        ("LOGIN=+", "refused"),
        ("LOGIN=++1", "refused"),
        ("LOGIN=+-1", "refused"),
        ("PORT=65535", "port:65535"),
        ("PORT=65536", "refused"),
        ("PORT=+31", "port:1"),
        ("PORT=-1", "refused"),
        ("PROTO=smtp", "proto:Helo"),
        ("PROTO=ESMTP HELO=c.test", "proto:Ehlo helo:c.test"),
        ("PROTO=LMTP", "refused"),
        ("HELO=[192.0.2.1]", "helo:[192.0.2.1]"),
        ("HELO=a+20b", "refused"),
        (
            "DESTADDR=192.0.2.2 DESTPORT=587",
            "destaddr:192.0.2.2 destport:587",
        ),
        ("ADDR=192.0.2.1 ADDR=192.0.2.2", "refused"),
        ("IDENT=x", "refused"),
        ("FOO=x", "refused"),
    ] {
        assert_eq!(read(argument), expected, "{argument}");
    }
}

#[test]
fn arguments_of_xforward() {
    let mut origin = Origin::default();
    assert_eq!(
        origin.add("NAME=c.test ADDR=IPV6:::1 PORT=5 SOURCE=remote"),
        Ok(())
    );
    assert_eq!(
        origin.add("PROTO=ESMTP HELO=x+20y IDENT=4ABC PORT=[UNAVAILABLE]"),
        Ok(())
    );
    let before = origin.clone();
    for wrong in ["", "ADDR=x", "SOURCE=MARS", "LOGIN=a", "HELO=a SOURCE"] {
        assert_eq!(origin.add(wrong), Err(reply::BAD_PARAMETER), "{wrong}");
    }
    assert_eq!(origin, before);
    let text = |text: &str| Some(text.to_owned());
    let told = Origin {
        name: text("c.test"),
        address: "::1".parse().ok(),
        port: None,
        protocol: text("ESMTP"),
        helo: text("x y"),
        id: text("4ABC"),
        source: text("REMOTE"),
    };
    assert_eq!(origin, told);
    let told: Vec<_> = origin.told().into_iter().collect();
    let told: Vec<_> = told.iter().map(|(name, it)| (&**name, &**it)).collect();
    let expected = [
        ("CLIENT", "::1"),
        ("HELO", "x y"),
        ("ID", "4ABC"),
        ("NAME", "c.test"),
        ("PROTOCOL", "ESMTP"),
        ("SOURCE", "REMOTE"),
    ];
    assert_eq!(told, expected);
}

proptest::proptest! {
    #[test]
    fn nothing_panics(argument in "([A-Z]{0,8}=?[+0-9A-Fa-z:.\\[\\]\u{fc}]{0,12} ?){0,5}") {
        let _ = Identity::parse(&argument);
        let _ = Origin::default().add(&argument);
    }

    #[test]
    fn what_is_decoded_has_no_control(argument in "LOGIN=([+][0-9A-F]{2}){1,6}") {
        if let Ok(Identity { login: Attribute::Value(login), .. }) = Identity::parse(&argument) {
            proptest::prop_assert!(!login.chars().any(char::is_control));
        }
    }
}
