//! Encrypted deployment: code, constructor arguments and limits that only the workers of a cluster
//! can read. On the chain nothing of it shows but its size, in steps, and who has sent it.
//!
//! What is encrypted is a SCALE value, padded with zeros to whole steps. The envelope is bound to the
//! cluster and to the sender, so that nobody else can send it as their own to learn from the receipt
//! what is in it.

use crate::{
    AccountId, Balance, ClusterId, CodeHash,
    command::EncryptedData,
    limits::{MAX_CODE_LEN, MAX_PAYLOAD_LEN},
    message::ResourceKind,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Code is padded to multiples of this: of the sizes of contracts, a few dozen remain.
pub const CODE_STEP: u32 = 64 * 1024;
/// Constructor arguments are padded to multiples of this: most have less, and so one size.
pub const ARGUMENTS_STEP: u32 = 1024;
/// Bytes that the cipher adds.
const TAG_LEN: u32 = 16;
/// Bytes of sealed code at most: the longest code, what stands beside it and the padding.
pub const MAX_SEALED_CODE_LEN: u32 = MAX_CODE_LEN + CODE_STEP + TAG_LEN;
/// Bytes of a sealed instantiation at most: the longest arguments, what stands beside them and the
/// padding.
pub const MAX_SEALED_ARGUMENTS_LEN: u32 = MAX_PAYLOAD_LEN + ARGUMENTS_STEP + TAG_LEN;

/// Something encrypted to a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SealedData {
    /// Which of the cluster's transport keys it is encrypted to.
    pub epoch: u32,
    /// The envelope; its public key is the sender's, made for this one.
    pub data: EncryptedData,
}

/// What an envelope is bound to beside its purpose.
pub fn binding(cluster: &ClusterId, sender: &AccountId) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&cluster.0);
    bytes[32..].copy_from_slice(&sender.0);
    bytes
}

/// Code for a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PrivateUpload {
    /// What kind of code it is.
    pub kind: ResourceKind,
    /// The bytes.
    pub code: Vec<u8>,
}

/// A contract to be made.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PrivateInstantiate {
    /// The code.
    pub code_hash: CodeHash,
    /// Selector and arguments of the constructor.
    pub data: Vec<u8>,
    /// Makes the contract's id unique. The id will be public: as long as the salt is secret and
    /// random, nobody can find out from the id which code it was made from.
    pub salt: Vec<u8>,
    /// Money that goes to the new contract.
    pub transfer: Balance,
    /// Most gas to use.
    pub gas_limit: u64,
    /// Most storage deposit to pay.
    pub storage_deposit_limit: Option<Balance>,
}

/// A value, padded to whole steps.
pub fn padded(value: &impl Encode, step: u32) -> Vec<u8> {
    let mut bytes = value.encode();
    bytes.resize(bytes.len().next_multiple_of(step as usize), 0);
    bytes
}

/// The value that was padded; `None` if there is none, or something else after it.
pub fn unpadded<T: Decode>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes).ok()?;
    bytes.iter().all(|byte| *byte == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(len: usize) -> PrivateUpload {
        PrivateUpload {
            kind: ResourceKind::InkCode,
            code: alloc::vec![7; len],
        }
    }

    #[test]
    fn sizes_show_in_steps_only() {
        let len = |code| padded(&upload(code), CODE_STEP).len() as u32;
        assert_eq!(len(0), CODE_STEP);
        assert_eq!(len(60_000), CODE_STEP);
        assert_eq!(len(CODE_STEP as usize), 2 * CODE_STEP);
        assert!(len(MAX_CODE_LEN as usize) + TAG_LEN <= MAX_SEALED_CODE_LEN);
        let longest = PrivateInstantiate {
            code_hash: CodeHash::zero(),
            data: alloc::vec![0; MAX_PAYLOAD_LEN as usize],
            salt: alloc::vec![0; crate::limits::MAX_SALT_LEN as usize],
            transfer: Balance::MAX,
            gas_limit: u64::MAX,
            storage_deposit_limit: Some(Balance::MAX),
        };
        let len = padded(&longest, ARGUMENTS_STEP).len() as u32;
        assert!(len + TAG_LEN <= MAX_SEALED_ARGUMENTS_LEN);
    }

    #[test]
    fn padding_is_taken_off_and_nothing_else_stands_in_its_place() {
        let bytes = padded(&upload(100), CODE_STEP);
        assert_eq!(unpadded(&bytes), Some(upload(100)));
        let mut longer = bytes.clone();
        longer[5_000] = 1;
        assert_eq!(unpadded::<PrivateUpload>(&longer), None);
        assert_eq!(unpadded::<PrivateUpload>(&bytes[..50]), None);
        assert_eq!(unpadded::<PrivateUpload>(&[]), None);
    }
}
