//! Names for workers, clusters, contracts and accounts, and how the derived ones are computed.

use alloc::vec::Vec;
use blake2::{Blake2b, Digest, digest::consts::U32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use primitive_types::{H256, U256};
use scale_info::TypeInfo;

/// Amounts in the smallest unit of the token (12 decimals).
pub type Balance = u128;
/// Height of a block of the chain.
pub type BlockNumber = u32;
/// A 32-byte hash.
pub type Hash = H256;
/// BLAKE2b-256 of the Wasm code of a contract.
pub type CodeHash = H256;
/// Position of an ordered message in the chain's history, counted from 0 over all blocks. It names
/// a command for its receipt.
pub type MessageNumber = u64;
/// A cluster: a counter from 1, as a big-endian 256-bit number.
pub type ClusterId = H256;
/// A contract instance, see [`contract_id`].
pub type ContractId = H256;

/// BLAKE2b with 32 bytes of output, unkeyed: the hash that names things everywhere in Phat.
pub fn blake2_256(data: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(data).into()
}

/// The identifier of the `counter`-th cluster (counted from 1).
pub fn cluster_id(counter: u64) -> ClusterId {
    H256(U256::from(counter).to_big_endian())
}

/// The identifier of a contract: `blake2_256(deployer ‖ code_hash ‖ cluster_id ‖ salt)`.
pub fn contract_id(
    deployer: &AccountId,
    code_hash: &CodeHash,
    cluster: &ClusterId,
    salt: &[u8],
) -> ContractId {
    let mut buffer = Vec::with_capacity(96 + salt.len());
    buffer.extend_from_slice(&deployer.0);
    buffer.extend_from_slice(&code_hash.0);
    buffer.extend_from_slice(&cluster.0);
    buffer.extend_from_slice(salt);
    H256(blake2_256(&buffer))
}

macro_rules! public_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
            Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
        )]
        pub struct $name(pub [u8; 32]);

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(self, f)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl From<$name> for [u8; 32] {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

public_bytes! {
    /// A worker: its sr25519 public key, which also serves key agreement.
    WorkerId
}
public_bytes! {
    /// An account on the chain and inside a cluster. Contracts have accounts too: the bytes of
    /// their [`ContractId`].
    AccountId
}

impl From<ContractId> for AccountId {
    fn from(id: ContractId) -> Self {
        Self(id.0)
    }
}

impl From<AccountId> for ContractId {
    fn from(id: AccountId) -> Self {
        H256(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_ids_are_big_endian_counters() {
        let id = cluster_id(1);
        assert_eq!(id.0[31], 1);
        assert!(id.0[..31].iter().all(|byte| *byte == 0));
        assert_eq!(cluster_id(256).0[30], 1);
    }

    #[test]
    fn a_contract_id_depends_on_each_of_its_four_parts() {
        let base = contract_id(&AccountId([1; 32]), &H256([2; 32]), &cluster_id(1), b"salt");
        for other in [
            contract_id(&AccountId([9; 32]), &H256([2; 32]), &cluster_id(1), b"salt"),
            contract_id(&AccountId([1; 32]), &H256([9; 32]), &cluster_id(1), b"salt"),
            contract_id(&AccountId([1; 32]), &H256([2; 32]), &cluster_id(2), b"salt"),
            contract_id(
                &AccountId([1; 32]),
                &H256([2; 32]),
                &cluster_id(1),
                b"pepper",
            ),
        ] {
            assert_ne!(base, other);
        }
        let mut joined = [[1u8; 32], [2u8; 32], cluster_id(1).0].concat();
        joined.extend_from_slice(b"salt");
        assert_eq!(base.0, blake2_256(&joined));
    }
}
