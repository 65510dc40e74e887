//! Every kind of address, and every way to write one.

use super::*;

#[test]
fn public_or_not() {
    let check = |public: bool, all: &[&str]| {
        for text in all {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(is_public(address), public, "{text}");
        }
    };
    check(
        true,
        &[
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "168.63.129.17",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "2001:200::1",
        ],
    );
    check(
        false,
        &[
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:1:2:3:4:5:6",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2600::5efe:10.0.0.1",
            "2600::200:5efe:127.0.0.1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ],
    );
}

#[test]
fn urls_and_what_they_lead_to() {
    let egress = Egress::new(
        ["10.0.0.0/8", "::1", "Hooks.Internal"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
    );
    let check = |url: &str, found: &[&str], expect: Result<(), &str>| {
        let found: Vec<IpAddr> = found.iter().map(|text| text.parse().unwrap()).collect();
        let got = egress.target(url).and_then(|target| match target.host {
            Place::Name(_) => egress.addresses(&target, &found),
            Place::Address(_) => Ok(()),
        });
        let got = got.map_err(|refused| refused.to_string());
        match expect {
            Ok(()) => assert_eq!(got, Ok(()), "{url}"),
            Err(why) => assert!(
                got.as_ref().is_err_and(|got| got.contains(why)),
                "{url}: {got:?}"
            ),
        }
    };
    let private = Err("not a public address");
    check(
        "https://chat.example/x?y",
        &["1.1.1.1", "2606:4700::1"],
        Ok(()),
    );
    check("https://chat.example", &["1.1.1.1", "192.168.1.1"], private);
    check("https://chat.example", &["127.0.0.1"], private);
    check("https://chat.example", &[], Err("no address"));
    check("http://chat.example", &["1.1.1.1"], Err("use https"));
    check("http://chat.example", &["10.9.9.9"], Ok(()));
    check(
        "http://chat.example",
        &["10.9.9.9", "1.1.1.1"],
        Err("use https"),
    );
    check("http://hooks.internal:8080/a", &["127.0.0.1"], Ok(()));
    check("HTTP://HOOKS.internal./a", &["192.168.0.1"], Ok(()));
    check(
        "https://hooks.internal.evil.example",
        &["192.168.0.1"],
        private,
    );
    check("https://10.255.0.1", &[], Ok(()));
    check("https://[::ffff:10.0.0.1]/", &[], Ok(()));
    check("http://[::1]:9/", &[], Ok(()));
    check("https://[::2]/", &[], private);
    check("https://1.1.1.1/", &[], Ok(()));
    check("http://1.1.1.1/", &[], Err("use https"));
    // Every other way to write an address is the same address.
    for host in [
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
    ] {
        check(&format!("https://{host}/"), &[], private);
    }
    check("https://user:pw@127.0.0.1/", &[], private);
    check("https://1.1.1.1@127.0.0.1/", &[], private);
    check("https://127.0.0.1\\@1.1.1.1/", &[], private);
    check("ftp://1.1.1.1/", &[], Err("only https"));
    check("file:///etc/passwd", &[], Err("only https"));
    check("https://", &[], Err("no host"));
    check("nothing", &[], Err("is not a URL"));
    check("", &[], Err("is not a URL"));
}

#[test]
fn what_may_be_listed() {
    let check = |text: &str, ok: bool| assert_eq!(text.parse::<Allowed>().is_ok(), ok, "{text}");
    for text in [
        "10.0.0.0/8",
        "127.0.0.1",
        "fd00::/8",
        "::1",
        "hooks.internal",
        "0.0.0.0/0",
    ] {
        check(text, true);
    }
    for text in [
        "",
        "10.0.0.0/33",
        "10.0.0.0/x",
        "::/129",
        "a b",
        "host/8",
        "https://x",
        "127.1/8",
    ] {
        check(text, false);
    }
}
