//! The rotating key of a cluster. It protects what travels and what is stored outside (private
//! deployments, snapshots), and changes whenever a worker leaves.
//!
//! The secrets of the epochs form chains, as in key regression (Fu, Kamara, Kohno, *Key Regression*,
//! 2006): each is the hash of the one after it. Who has the secret of an epoch can compute all earlier
//! ones of the chain, so that old data stays readable with one secret, and none of the later ones, so
//! that a worker that has left reads nothing new. The end of a chain is derived from the network's
//! master key, so that every gatekeeper can compute every secret, and nobody else any in advance.

use crate::{Keypair, contexts, contexts::Context, keys::hkdf};
use alloc::vec::Vec;
use core::fmt;
use phat_primitives::{ClusterId, limits::EPOCHS_PER_CHAIN};
use zeroize::Zeroizing;

/// The transport secret of one epoch of a cluster. Erased when dropped, shown by no formatter.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportSecret {
    first: u32,
    epoch: u32,
    secret: Zeroizing<[u8; 32]>,
}

impl TransportSecret {
    /// The secret of an epoch in the chain that begins with `first`, from the master key. `None` if
    /// the chain does not contain the epoch.
    pub fn derive(master: &Keypair, cluster: &ClusterId, first: u32, epoch: u32) -> Option<Self> {
        let last = first.checked_add(EPOCHS_PER_CHAIN - 1)?;
        let data = [&cluster.0[..], &first.to_le_bytes()].concat();
        let end = Self {
            first,
            epoch: last,
            secret: master.derive_secret(contexts::TRANSPORT_CHAIN, &data),
        };
        end.at(epoch)
    }

    /// The secret as it was delivered.
    pub fn new(first: u32, epoch: u32, secret: Zeroizing<[u8; 32]>) -> Self {
        Self {
            first,
            epoch,
            secret,
        }
    }

    /// First epoch of the chain.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The epoch it belongs to.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The secret of this epoch or of an earlier one of the chain. `None` for what this secret does
    /// not tell.
    pub fn at(&self, epoch: u32) -> Option<Self> {
        if epoch < self.first {
            return None;
        }
        let steps = self.epoch.checked_sub(epoch)?;
        let mut secret = self.secret.clone();
        for _ in 0..steps.min(EPOCHS_PER_CHAIN) {
            secret = hkdf(&secret, contexts::TRANSPORT_STEP, &[]);
        }
        Some(Self {
            first: self.first,
            epoch,
            secret,
        })
    }

    /// The key that clients encrypt to in this epoch.
    pub fn keypair(&self) -> Keypair {
        Keypair::from_seed(*self.derive_secret(contexts::TRANSPORT_KEY, &[]))
    }

    /// 32 secret bytes for a purpose.
    pub fn derive_secret(&self, context: Context, data: &[u8]) -> Zeroizing<[u8; 32]> {
        hkdf(&self.secret, context, &[data])
    }

    /// The secret itself, to seal it for a worker or to keep it. Never log it, never send it open.
    pub fn expose(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What the secret of an epoch is bound to on its way to a worker.
    pub fn transport_data(cluster: &ClusterId, epoch: u32) -> Vec<u8> {
        [&cluster.0[..], &epoch.to_le_bytes()].concat()
    }
}

impl fmt::Debug for TransportSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportSecret(epoch {})", self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn cluster(byte: u8) -> ClusterId {
        ClusterId::repeat_byte(byte)
    }

    fn secret(first: u32, epoch: u32) -> TransportSecret {
        TransportSecret::derive(&Keypair::from_seed([1; 32]), &cluster(1), first, epoch).unwrap()
    }

    #[test]
    fn a_secret_gives_the_earlier_ones_and_not_the_later_ones() {
        let tenth = secret(3, 10);
        assert_eq!(tenth.at(10), Some(tenth.clone()));
        assert_eq!(tenth.at(5), Some(secret(3, 5)));
        assert_eq!(tenth.at(3), Some(secret(3, 3)));
        assert_eq!(tenth.at(2), None, "before the chain");
        assert_eq!(tenth.at(11), None, "in the future");
    }

    #[test]
    fn every_epoch_chain_cluster_and_master_has_its_own_key() {
        let base = secret(0, 1);
        let master = Keypair::from_seed([2; 32]);
        for other in [
            secret(0, 2),
            secret(1, 1),
            TransportSecret::derive(&master, &cluster(1), 0, 1).unwrap(),
            TransportSecret::derive(&Keypair::from_seed([1; 32]), &cluster(2), 0, 1).unwrap(),
        ] {
            assert_ne!(base.expose(), other.expose());
            assert_ne!(base.keypair().public(), other.keypair().public());
        }
        assert_ne!(
            *base.derive_secret(contexts::SNAPSHOT_KEY, &[]),
            *base.secret
        );
    }

    #[test]
    fn a_chain_has_an_end() {
        let master = Keypair::from_seed([1; 32]);
        let derive = |first, epoch| TransportSecret::derive(&master, &cluster(1), first, epoch);
        assert!(derive(7, 7 + EPOCHS_PER_CHAIN - 1).is_some());
        assert!(derive(7, 7 + EPOCHS_PER_CHAIN).is_none());
        assert!(derive(7, 6).is_none());
        assert!(derive(u32::MAX, u32::MAX).is_none());
    }

    #[test]
    fn formatters_show_no_secret() {
        assert_eq!(format!("{:?}", secret(0, 4)), "TransportSecret(epoch 4)");
    }
}
