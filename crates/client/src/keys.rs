//! Accounts: secrets as people write them, and addresses as people read them.
//!
//! The same key signs transactions on the chain and the certificates of queries, so one [`Account`]
//! serves both. Addresses are shown with Phat's SS58 prefix and accepted with any.

use base58::ToBase58;
use blake2::{Blake2b512, Digest};
use phat_primitives::AccountId;
use std::{fmt, str::FromStr};
use subxt::utils::AccountId32;
use subxt_signer::{SecretUri, sr25519};

/// The SS58 prefix of addresses on this network.
pub const SS58_PREFIX: u8 = 30;

/// A key pair that can act on the chain and ask workers.
#[derive(Clone)]
pub struct Account(sr25519::Keypair);

impl Account {
    /// Reads a secret URI: `//Alice`, a mnemonic phrase or a seed in hex, each with an optional
    /// derivation path (`//hard/soft`) and password (`///password`).
    pub fn from_suri(suri: &str) -> Result<Self, AccountError> {
        let uri = SecretUri::from_str(suri).map_err(|_| AccountError::NotASecretUri)?;
        Ok(Self(
            sr25519::Keypair::from_uri(&uri).map_err(AccountError::Secret)?,
        ))
    }

    /// The account's id: its public key.
    pub fn id(&self) -> AccountId {
        AccountId(self.0.public_key().0)
    }

    /// Signs with sr25519 in the context `substrate`, as transactions and wallets do.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).0
    }

    /// What signs transactions.
    pub(crate) fn signer(&self) -> &sr25519::Keypair {
        &self.0
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", address(&self.id()))
    }
}

/// Why a secret or an address cannot be used. Never repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The text has not the form of a secret URI.
    #[error(
        "this is not a secret URI: write //Name for a development account, a mnemonic phrase, or a seed in hex"
    )]
    NotASecretUri,
    /// The form is right, the secret is not.
    #[error(
        "the secret cannot be used: check the words of the phrase, or the 32 bytes of the seed"
    )]
    Secret(#[source] sr25519::Error),
    /// The text names no account.
    #[error("`{0}` is not an account: write an SS58 address, 32 bytes in hex, or //Name")]
    NotAnAddress(String),
    /// It looks like an address, but something in it is mistyped.
    #[error("`{0}` looks like an SS58 address, but its checksum is wrong: copy it again")]
    Checksum(String),
}

/// Shows an account as an SS58 address with [`SS58_PREFIX`].
pub fn address(account: &AccountId) -> String {
    let mut bytes = vec![SS58_PREFIX];
    bytes.extend_from_slice(&account.0);
    let checksum = Blake2b512::new()
        .chain_update(b"SS58PRE")
        .chain_update(&bytes)
        .finalize();
    bytes.extend_from_slice(&checksum[..2]);
    bytes.to_base58()
}

/// Reads an account: an SS58 address with any prefix, 32 bytes in hex with `0x`, or the secret URI of
/// a development account (`//Alice`), of which the public key is taken.
pub fn parse_account(text: &str) -> Result<AccountId, AccountError> {
    let text = text.trim();
    if text.starts_with("//") {
        return Ok(Account::from_suri(text)?.id());
    }
    if let Some(digits) = text.strip_prefix("0x") {
        let mut bytes = [0; 32];
        return match hex::decode_to_slice(digits, &mut bytes) {
            Ok(()) => Ok(AccountId(bytes)),
            Err(_) => Err(AccountError::NotAnAddress(text.into())),
        };
    }
    match AccountId32::from_str(text) {
        Ok(id) => Ok(AccountId(id.0)),
        // 32 bytes, their prefix of one or two bytes and their checksum have this many digits.
        Err(_)
            if matches!(text.len(), 46..=50) && text.bytes().all(|c| c.is_ascii_alphanumeric()) =>
        {
            Err(AccountError::Checksum(text.into()))
        }
        Err(_) => Err(AccountError::NotAnAddress(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: [u8; 32] = [
        0xd4, 0x35, 0x93, 0xc7, 0x15, 0xfd, 0xd3, 0x1c, 0x61, 0x14, 0x1a, 0xbd, 0x04, 0xa9, 0x9f,
        0xd6, 0x82, 0x2c, 0x85, 0x58, 0x85, 0x4c, 0xcd, 0xe3, 0x9a, 0x56, 0x84, 0xe7, 0xa5, 0x6d,
        0xa2, 0x7d,
    ];

    #[test]
    fn alice_has_the_public_key_that_all_substrate_tools_give_her() {
        assert_eq!(Account::from_suri("//Alice").unwrap().id().0, ALICE);
    }

    #[test]
    fn every_spelling_of_an_account_means_the_same() {
        let shown = address(&AccountId(ALICE));
        assert!(
            shown.starts_with('4'),
            "addresses of prefix 30 start with 4: {shown}"
        );
        for text in [
            shown.as_str(),
            "//Alice",
            "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
            "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
        ] {
            assert_eq!(parse_account(text).unwrap().0, ALICE, "{text}");
        }
    }

    #[test]
    fn a_mistyped_address_is_told_from_something_else() {
        let mistyped = parse_account("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ");
        assert!(
            matches!(mistyped, Err(AccountError::Checksum(_))),
            "{mistyped:?}"
        );
        for text in ["", "alice", "0x12", "0xzz", "5Grw"] {
            let error = parse_account(text);
            assert!(
                matches!(error, Err(AccountError::NotAnAddress(_))),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn errors_about_secrets_do_not_repeat_them() {
        let secret = "bottom drive obey lake curtain smoke basket hold race lonely fit fit";
        let error = Account::from_suri(secret).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("drive"));
        assert!(!format!("{:?}", Account::from_suri("//Alice").unwrap()).contains("secret"));
    }
}
