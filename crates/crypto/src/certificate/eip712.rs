//! The typed data ([EIP-712](https://eips.ethereum.org/EIPS/eip-712)) that Ethereum's wallets sign
//! for certificates and queries. Its texts are shown to people and are part of the format: they are
//! those of `@phala/sdk` 0.6.

use super::Signed;
use alloc::format;
use sha3::{Digest, Keccak256};

const DOMAIN_TYPE: &[u8] = b"EIP712Domain(string name,string version,bytes32 salt)";
/// Its hash is the domain's salt.
const SALT: &[u8] = b"phala/phat-contract";
const VERSION: &[u8] = b"1";

/// The hash that the wallet signs.
pub(super) fn digest(message: Signed<'_>) -> [u8; 32] {
    let (name, content) = match message {
        Signed::Query(data) => (
            "Phat Contract Query",
            keccak(&[
                &keccak(&[b"PhatContractQuery(string description,bytes encodedQuery)"]),
                &keccak(&[b"You are signing a query request that would be sent to a Phat Contract."]),
                &keccak(&[data]),
            ]),
        ),
        Signed::Certificate { encoded, ttl } => (
            "Phat Query Certificate",
            keccak(&[
                &keccak(&[
                    b"IssueQueryCertificate(string description,string timeToLive,bytes encodedCert)",
                ]),
                &keccak(&[
                    b"You are signing a Certificate that can be used to query Phat Contracts using your identity without further prompts.",
                ]),
                &keccak(&[format!("The Certificate will be valid till block {ttl}.").as_bytes()]),
                &keccak(&[encoded]),
            ]),
        ),
    };
    let domain = keccak(&[
        &keccak(&[DOMAIN_TYPE]),
        &keccak(&[name.as_bytes()]),
        &keccak(&[VERSION]),
        &keccak(&[SALT]),
    ]);
    keccak(&[&[0x19, 0x01], &domain, &content])
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_is_the_one_that_the_sdk_writes_out() {
        let salt = "0ea813d1592526d672ea2576d7a07914cef2ca301b35c5eed941f7c897512a00";
        assert_eq!(hex::encode(keccak(&[SALT])), salt);
    }
}
