//! What a transaction asks of a contract. The formats are those of `@phala/sdk` 0.6
//! (`CommandPayload`, `InkCommand`, `EncryptedData`).

use crate::Balance;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// A command, readable or encrypted to the contract's key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum CommandPayload {
    /// Anybody can read it.
    Plain(InkCommand),
    /// A SCALE-encoded [`InkCommand`], encrypted to the contract's key.
    Encrypted(EncryptedData),
}

/// A command to an ink! contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum InkCommand {
    /// Calls a message of the contract.
    InkMessage {
        /// Chosen by the sender, to recognise the command by.
        nonce: Vec<u8>,
        /// Selector and arguments.
        message: Vec<u8>,
        /// Money that goes to the contract.
        transfer: Balance,
        /// Most gas to use.
        gas_limit: u64,
        /// Most storage deposit to pay.
        storage_deposit_limit: Option<Balance>,
    },
}

/// Data encrypted with AES-256-GCM under the sr25519 key agreement of two keys.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct EncryptedData {
    /// Nonce of the cipher.
    pub iv: [u8; 12],
    /// Public key of the side that encrypted.
    pub pubkey: [u8; 32],
    /// Cipher text with the tag at its end.
    pub data: Vec<u8>,
}
