//! Names to addresses, with those left out that contracts may not reach.

use super::{Policy, Refused};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::sync::Semaphore;

/// The system's resolver behind a policy. The HTTP client connects to nothing but what comes out of
/// here.
pub(super) struct Resolver {
    policy: Policy,
    places: Arc<Semaphore>,
}

impl Resolver {
    /// `max_lookups` bounds the lookups under way: each holds a thread until the system's resolver
    /// returns, also when nobody waits for it any more.
    pub(super) fn new(policy: Policy, max_lookups: usize) -> Self {
        Self {
            policy,
            places: Arc::new(Semaphore::new(max_lookups)),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, places) = (self.policy, self.places.clone());
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let place = places.acquire_owned().await?;
            // A task of its own keeps its place until the lookup has really ended. The port is
            // filled in by the client.
            let lookup = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await;
                drop(place);
                found.map(Vec::from_iter)
            });
            let found = lookup.await??;
            let permitted = permitted(policy, name.as_str(), found)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The addresses of `found` that the policy permits. An error if there are none.
fn permitted(
    policy: Policy,
    host: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut refused = None;
    let mut permitted = Vec::new();
    for address in found {
        match policy.check(address.ip()) {
            Ok(()) => permitted.push(address),
            Err(reach) => refused = Some(reach),
        }
    }
    match refused {
        _ if !permitted.is_empty() => Ok(permitted),
        Some(reach) => Err(Refused {
            host: host.to_owned(),
            reach,
        }
        .into()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::{EgressConfig, Reach};

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .collect()
    }

    #[test]
    fn of_mixed_addresses_only_the_permitted_ones_are_connected_to() {
        let policy = Policy::new(&EgressConfig::default());
        let mixed = addresses(&["127.0.0.1", "1.1.1.1", "10.0.0.1", "2606:4700::1111", "::1"]);
        assert_eq!(
            permitted(policy, "mixed.example", mixed).unwrap(),
            addresses(&["1.1.1.1", "2606:4700::1111"])
        );
    }

    #[test]
    fn a_name_with_nothing_but_forbidden_addresses_is_refused() {
        let policy = Policy::new(&EgressConfig::default());
        let error = permitted(policy, "inside.example", addresses(&["10.0.0.1"])).unwrap_err();
        assert_eq!(
            error.downcast_ref::<Refused>(),
            Some(&Refused {
                host: "inside.example".into(),
                reach: Reach::Private
            })
        );
    }

    #[test]
    fn a_name_without_addresses_is_a_network_error() {
        let policy = Policy::new(&EgressConfig::default());
        let error = permitted(policy, "nothing.example", Vec::new()).unwrap_err();
        assert!(error.is::<io::Error>());
    }
}
