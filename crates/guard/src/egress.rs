//! Which addresses the server may speak to when a caller chose the URL (webhooks).
//!
//! Only public ones over https, so that nobody makes the server knock at doors of its own network, unless the operator
//! has listed them. Pure: names are resolved elsewhere, once, and every address found is asked for here before anything
//! is sent to exactly that address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};
use url::{Host, Url};

/// What the operator allows beyond public addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress(Vec<Allowed>);

/// A host by name, or addresses by their first bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Whatever address it has.
    Host(String),
    /// An address and how many of its bits count.
    Network(IpAddr, u8),
}

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host of the URL; an address without a name is one already.
    pub host: Place,
    /// Whether what is sent is encrypted, and the receiver has to prove who it is.
    secure: bool,
}

impl Target {
    /// A target by its name.
    pub fn named(name: &str, secure: bool) -> Self {
        Target {
            host: Place::Name(plain(name)),
            secure,
        }
    }

    /// Whether what is sent there is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

/// A host as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Why a URL or an address is not spoken to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The URL is none.
    #[error("`{0}` is not a URL")]
    NoUrl(String),
    /// It has no host.
    #[error("the URL has no host")]
    NoHost,
    /// Another protocol.
    #[error("the URL's scheme is `{0}`: only https is allowed")]
    Scheme(String),
    /// http beyond what the operator listed.
    #[error(
        "http is allowed only to hosts and addresses that the server's --webhook-allow names: use https"
    )]
    Plain,
    /// An address that is not public.
    #[error(
        "{0} is not a public address: the server's --webhook-allow must name it or its host first"
    )]
    Private(IpAddr),
    /// The name leads nowhere.
    #[error("the name has no address")]
    Nowhere,
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok());
            return match bits.filter(|bits| *bits <= most) {
                Some(bits) => Ok(Allowed::Network(address, bits)),
                None => Err(format!(
                    "`{text}` is no range of addresses: write it like 10.0.0.0/8"
                )),
            };
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if bits.is_none() => Ok(Allowed::Host(plain(&name))),
            _ => Err(format!(
                "`{text}` is neither a host nor a range of addresses: write it like hooks.example.com or 10.0.0.0/8"
            )),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Host(name) => f.write_str(name),
            Allowed::Network(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

impl Egress {
    /// What is allowed beside public addresses.
    pub fn new(allowed: Vec<Allowed>) -> Self {
        Egress(allowed)
    }

    /// Where a URL leads, if it may be spoken to at all. An address in it is checked here; a name has to be resolved and
    /// its addresses given to [`Egress::addresses`].
    ///
    /// # Errors
    /// Why not.
    pub fn target(&self, url: &str) -> Result<Target, Refused> {
        let parsed = Url::parse(url.trim()).map_err(|error| match error {
            url::ParseError::EmptyHost => Refused::NoHost,
            _ => Refused::NoUrl(url.chars().take(100).collect()),
        })?;
        let secure = match parsed.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(Refused::Scheme(other.to_owned())),
        };
        let host = match parsed.host() {
            Some(Host::Domain(name)) => Place::Name(plain(name)),
            Some(Host::Ipv4(address)) => Place::Address(address.into()),
            Some(Host::Ipv6(address)) => Place::Address(address.into()),
            None => return Err(Refused::NoHost),
        };
        let target = Target { host, secure };
        if let Place::Address(address) = target.host {
            self.addresses(&target, &[address])?;
        }
        Ok(target)
    }

    /// Whether all of these addresses of the target may be spoken to.
    ///
    /// # Errors
    /// Why not.
    pub fn addresses(&self, target: &Target, found: &[IpAddr]) -> Result<(), Refused> {
        if found.is_empty() {
            return Err(Refused::Nowhere);
        }
        if matches!(&target.host, Place::Name(name) if self.names(name)) {
            return Ok(());
        }
        for address in found {
            let listed = self.lists(address.to_canonical());
            if !listed && !is_public(*address) {
                return Err(Refused::Private(*address));
            }
            if !listed && !target.secure {
                return Err(Refused::Plain);
            }
        }
        Ok(())
    }

    fn names(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|one| matches!(one, Allowed::Host(host) if host == name))
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.0.iter().any(|one| match (one, address) {
            (Allowed::Network(IpAddr::V4(net), bits), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(*bits);
                same(net.to_bits().into(), address.to_bits().into(), shift)
            }
            (Allowed::Network(IpAddr::V6(net), bits), IpAddr::V6(address)) => {
                same(net.to_bits(), address.to_bits(), 128 - u32::from(*bits))
            }
            _ => false,
        })
    }
}

/// Whether two numbers are the same without their last bits.
fn same(one: u128, other: u128, last: u32) -> bool {
    (one ^ other).checked_shr(last).unwrap_or_default() == 0
}

/// A name in its one form.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether an address is reached through the internet only (IANA's registries of special addresses, RFC 6890), and is
/// no cloud's own service.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => public_v6(address),
    }
}

/// Networks of IPv4 that are not public: first address and bits.
const SPECIAL: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared, carriers' NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's own service
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

fn public_v4(address: Ipv4Addr) -> bool {
    SPECIAL
        .iter()
        .all(|(net, bits)| !same(net.to_bits().into(), address.to_bits().into(), 32 - bits))
}

/// Only global unicast, 2000::/3, is public there, and what leads to a public IPv4 address.
fn public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // An IPv4 address written as one of IPv6, and NAT64's.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // Protocol assignments (Teredo among them) and documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        // ISATAP.
        [0x2000..=0x3fff, _, _, _, 0 | 0x200, 0x5efe, high, low] => v4(high, low),
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
