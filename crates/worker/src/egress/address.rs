//! Which addresses contracts may talk to.

use super::{EgressConfig, Refused};
use reqwest::Url;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

/// Where an address leads, seen from the worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// To a machine on the public internet.
    Public,
    /// To the worker's own machine.
    OwnMachine,
    /// Into a private network.
    Private,
    /// To nothing that a contract could have business with: multicast, reserved ranges, the local
    /// link with the services that give cloud machines their credentials.
    Forbidden,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::OwnMachine => "the worker's own machine",
            Self::Private => "in a private network",
            Self::Forbidden => "a reserved address",
        })
    }
}

/// What an operator permits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    allow_loopback: bool,
    allow_private: bool,
}

impl Policy {
    pub(super) fn new(config: &EgressConfig) -> Self {
        Self {
            allow_loopback: config.allow_loopback,
            allow_private: config.allow_private,
        }
    }

    /// Checks an address; the error says where it leads.
    pub(super) fn check(self, ip: IpAddr) -> Result<(), Reach> {
        let mut reach = reach(ip);
        if matches!(reach, Reach::Public | Reach::Private) && is_own(ip) {
            reach = Reach::OwnMachine;
        }
        let permitted = match reach {
            Reach::Public => true,
            Reach::OwnMachine => self.allow_loopback,
            Reach::Private => self.allow_private,
            Reach::Forbidden => false,
        };
        if permitted { Ok(()) } else { Err(reach) }
    }

    /// Checks a URL whose host is an address. Names are checked when they are resolved.
    pub(super) fn check_url(self, url: &Url) -> Result<(), Refused> {
        // The parser has turned every way of writing an IPv4 address into the usual one, and IPv6
        // addresses stand in brackets.
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse().map(|ip| self.check(ip)) {
            Ok(Err(reach)) => Err(Refused {
                host: host.to_owned(),
                reach,
            }),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Whether an address is one of this machine's interfaces. The system then chooses the address itself
/// to send from; connecting a UDP socket asks it to choose, and sends nothing.
fn is_own(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let chosen = UdpSocket::bind((any, 0)).and_then(|socket| {
        // Any port will do, except 0, which some systems refuse.
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    // Without a way there the address cannot be reached, whoever it belongs to.
    chosen.is_ok_and(|chosen| chosen.ip() == ip)
}

/// Where an address leads by the IANA registries of special-purpose addresses.
fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    match ip.octets() {
        // Connecting to "this host" reaches services on loopback.
        [0, 0, 0, 0] | [127, ..] => Reach::OwnMachine,
        // Credentials of cloud machines, inside a range that is otherwise shared by carriers.
        [100, 100, 100, 200] => Reach::Forbidden,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        // This network; the local link; protocol assignments, documentation and relays; benchmarks;
        // multicast and what is reserved above it.
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Reach::Forbidden,
        _ => Reach::Public,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Reach::OwnMachine,
        // IPv4 addresses in IPv6 clothes lead where the IPv4 address leads: mapped, behind NAT64,
        // and 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        [0x2002, high, low, ..] => embedded(high, low),
        // Credentials of cloud machines, inside a private range.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Reach::Forbidden,
        [0xfc00..=0xfdff, ..] | [0x64, 0xff9b, 1, ..] => Reach::Private,
        // Protocol assignments with Teredo, which wraps IPv4 addresses too; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Forbidden,
        [0x2000..=0x3fff, ..] => Reach::Public,
        // Everything else is the local link, multicast, or not in use.
        _ => Reach::Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn leads(expected: Reach, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn public_addresses_are_public_up_to_the_edge_of_reserved_ranges() {
        leads(
            Reach::Public,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.1",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2606:4700:4700::1111",
                "2001:200::1",
                "2a00:1450::1",
                "::ffff:1.1.1.1",
                "64:ff9b::1.1.1.1",
                "2002:0101:0101::1",
            ],
        );
    }

    #[test]
    fn the_own_machine_is_known_by_all_its_names() {
        leads(
            Reach::OwnMachine,
            &[
                "127.0.0.1",
                "127.255.255.254",
                "0.0.0.0",
                "::",
                "::1",
                "::ffff:127.0.0.1",
                "::ffff:0.0.0.0",
                "64:ff9b::127.0.0.1",
                "2002:7f00:0001::",
            ],
        );
    }

    #[test]
    fn private_networks_are_private_also_in_ipv6_clothes() {
        leads(
            Reach::Private,
            &[
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "100.127.255.255",
                "fc00::1",
                "fdff::1",
                "::ffff:10.0.0.1",
                "::ffff:192.168.0.1",
                "64:ff9b::10.1.2.3",
                "64:ff9b:1::1",
                "2002:0a00:0001::1",
            ],
        );
    }

    #[test]
    fn credentials_of_cloud_machines_and_reserved_ranges_are_never_reached() {
        leads(
            Reach::Forbidden,
            &[
                "169.254.169.254",
                "::ffff:169.254.169.254",
                "64:ff9b::169.254.169.254",
                "fd00:ec2::254",
                "100.100.100.200",
                "0.0.0.1",
                "192.0.0.1",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.1",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::2",
                "::127.0.0.1",
                "100::1",
                "fe80::1",
                "fec0::1",
                "ff02::1",
                "2001::1",
                "2001:db8::1",
                "3fff::1",
                "4000::1",
            ],
        );
    }

    #[test]
    fn an_operator_opens_loopback_and_private_networks_separately() {
        let policy = |allow_loopback, allow_private| Policy {
            allow_loopback,
            allow_private,
        };
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        let private: IpAddr = Ipv4Addr::new(10, 255, 255, 1).into();
        let credentials: IpAddr = Ipv4Addr::new(169, 254, 169, 254).into();
        assert_eq!(policy(false, false).check(loopback), Err(Reach::OwnMachine));
        assert_eq!(policy(false, true).check(loopback), Err(Reach::OwnMachine));
        assert_eq!(policy(true, false).check(loopback), Ok(()));
        assert_eq!(policy(true, false).check(private), Err(Reach::Private));
        assert_eq!(policy(false, true).check(private), Ok(()));
        assert_eq!(policy(true, true).check(credentials), Err(Reach::Forbidden));
    }

    #[test]
    fn an_address_of_an_interface_is_the_own_machine() {
        // Every address of the loopback network is local, and so recognised by the system too.
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(1, 1, 1, 1).into()));
    }

    #[test]
    fn every_way_of_writing_an_address_in_a_url_is_understood() {
        let policy = Policy::new(&EgressConfig::default());
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://user@127.0.0.1:80/",
            "http://１２７.0.0.1/",
            "http://[::ffff:7f00:1]/",
        ] {
            let refused = policy.check_url(&url.parse().unwrap()).unwrap_err();
            assert_eq!(refused.reach, Reach::OwnMachine, "{url}");
        }
        assert_eq!(
            policy.check_url(&"http://example.com/".parse().unwrap()),
            Ok(())
        );
        assert_eq!(
            policy.check_url(&"http://1.1.1.1/".parse().unwrap()),
            Ok(())
        );
    }
}
