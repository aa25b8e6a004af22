//! What some typical queries cost on one processor, for those who want to know what a share of it is
//! worth. Measured like the score, with example contracts, as what a query is charged for: to decrypt
//! it, to check its signature (its certificate is known already), to run it, to encrypt the answer.

use super::{CALLER, NotMeasured, Place, failed};
use crate::memo::Certificates;
use codec::Encode;
use phat_crypto::{Keypair, certificate, envelope, rand_core::OsRng};
use phat_engine::Engine;
use serde::Deserialize;
use std::time::{Duration, Instant};

pub(crate) use phat_prpc::TypicalCall;

/// Runs of each call. The fastest counts.
const RUNS: usize = 200;
/// Bytes of a query and of an answer, as they are encrypted.
const QUERY_LEN: usize = 128;

/// A kind of query that is measured.
struct Kind {
    name: &'static str,
    /// A bundle with the contract.
    bundle: &'static [u8],
    /// Selector and arguments of the constructor.
    constructor: fn() -> Vec<u8>,
    /// Selector and arguments of the message.
    message: fn() -> Vec<u8>,
}

macro_rules! bundle {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/artifacts/",
            $name
        ))
    };
}

const NEW: [u8; 4] = [0x9b, 0xae, 0x9d, 0x5e];
const GET: [u8; 4] = [0x2f, 0x86, 0x5b, 0xd9];
const BALANCE_OF: [u8; 4] = [0x65, 0x68, 0x38, 0x2f];
const TRANSFER: [u8; 4] = [0xdb, 0x20, 0xf9, 0xf5];

const KINDS: [Kind; 3] = [
    Kind {
        name: "read a flag",
        bundle: bundle!("flipper.contract"),
        constructor: || (NEW, true).encode(),
        message: || GET.to_vec(),
    },
    Kind {
        name: "read a balance of tokens",
        bundle: bundle!("token.contract"),
        constructor: token,
        message: || (BALANCE_OF, CALLER).encode(),
    },
    Kind {
        name: "try a transfer of tokens",
        bundle: bundle!("token.contract"),
        constructor: token,
        message: || (TRANSFER, [2u8; 32], 1u128, Vec::<u8>::new()).encode(),
    },
];

fn token() -> Vec<u8> {
    let nameless = None::<String>;
    (NEW, 1_000_000u128, &nameless, &nameless, 12u8).encode()
}

/// What of a bundle is needed here.
#[derive(Deserialize)]
struct Bundle {
    source: Source,
}

#[derive(Deserialize)]
struct Source {
    wasm: String,
}

/// The Wasm in a bundle.
fn wasm(bundle: &[u8]) -> Result<Vec<u8>, NotMeasured> {
    let bundle: Bundle = serde_json::from_slice(bundle).map_err(failed)?;
    hex::decode(bundle.source.wasm.trim_start_matches("0x")).map_err(failed)
}

/// Measures all kinds.
pub(super) async fn measure(engine: &Engine) -> Result<Vec<TypicalCall>, NotMeasured> {
    let around = cryptography()?;
    let mut calls = Vec::new();
    for kind in &KINDS {
        let mut place = Place::new(engine);
        let contract = place
            .make(&wasm(kind.bundle)?, (kind.constructor)())
            .await?;
        let (took, _) = place.fastest(RUNS, contract, &(kind.message)()).await?;
        let nanoseconds = took.saturating_add(around).as_nanos();
        calls.push(TypicalCall {
            name: kind.name.to_owned(),
            nanoseconds: u64::try_from(nanoseconds).unwrap_or(u64::MAX),
        });
    }
    Ok(calls)
}

/// What the cryptography of a query takes with a client that is known.
fn cryptography() -> Result<Duration, NotMeasured> {
    let [account, session, worker] = [(); 3].map(|()| Keypair::generate(&mut OsRng));
    let shared = worker.agree(&session.public()).map_err(failed)?;
    let plain = [1; QUERY_LEN];
    let ttl = u32::MAX;
    let certificate = certificate::sign_certificate(&account, &session.public(), ttl, &mut OsRng);
    let sealed =
        envelope::encrypt(&shared, session.public(), &plain, &mut OsRng).map_err(failed)?;
    let bytes = sealed.encode();
    let signature = certificate::sign_query(&bytes, &session, certificate, &mut OsRng);
    let known = Certificates::default();
    let mut fastest = Duration::MAX;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let query = envelope::decrypt(&shared, &sealed).map_err(failed)?;
        certificate::verify_query_knowing(&bytes, &signature, 1, &known).map_err(failed)?;
        envelope::encrypt(&shared, worker.public(), &query, &mut OsRng).map_err(failed)?;
        fastest = fastest.min(begun.elapsed());
    }
    Ok(fastest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_typical_call_succeeds_and_has_a_cost() {
        let config = phat_engine::Config {
            instances: 4,
            ..Default::default()
        };
        let engine = Engine::new(config).unwrap();
        let calls = measure(&engine).await.unwrap();
        assert_eq!(calls.len(), KINDS.len());
        for call in calls {
            assert!(call.nanoseconds > 0, "{call:?}");
            assert!(call.nanoseconds < 1_000_000_000, "{call:?}");
        }
    }
}
