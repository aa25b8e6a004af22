//! Requests are decrypted, and it is found out who has signed them and that they are new.

use super::{WorkerService, refused};
use crate::{
    node::View,
    server::ServiceError,
    turns::{Caller, Flow, processor_time},
};
use codec::{Decode, Encode};
use phat_crypto::{SharedKey, certificate, envelope};
use phat_primitives::{AccountId, blake2_256, command::EncryptedData};
use phat_prpc::ContractQueryRequest;
use phat_scheduler::Work;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

/// Queries remembered to have been answered. A query that comes again within this window is refused;
/// beyond it a repeated query costs its sender's share of the worker and changes nothing.
const MAX_ANSWERED: usize = 65_536;

/// The queries answered last, by the hash of their bytes.
#[derive(Default)]
pub(crate) struct Answered(Mutex<Window>);

#[derive(Default)]
struct Window {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Answered {
    /// Remembers a query; `false` if it was there already.
    fn insert(&self, query: [u8; 32]) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Window { known, order } = &mut *window;
        if !known.insert(query) {
            return false;
        }
        order.push_back(query);
        if order.len() > MAX_ANSWERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}

/// A request that has been decrypted. Who signed it is not known yet: that costs more to find out, and
/// is charged to the contract that is asked.
pub(super) struct Opened {
    signature: certificate::Signature,
    bytes: Vec<u8>,
    pub(super) client: Caller,
    pub(super) shared: SharedKey,
    pub(super) plain: Vec<u8>,
    /// Processor time that decrypting took, in nanoseconds.
    pub(super) work: Work,
}

impl WorkerService {
    /// Decrypts a request. Agreeing on a key with a client that the worker does not know is work of its
    /// own, for which the request waits its turn.
    pub(super) async fn open(&self, request: ContractQueryRequest) -> Result<Opened, ServiceError> {
        let bytes = request.encoded_encrypted_data;
        let signature = request
            .signature
            .ok_or_else(|| refused("unsigned", "the query is not signed: add a certificate"))?;
        let signature = certificate::Signature::try_from(signature)
            .map_err(|error| refused("bad-certificate", error))?;
        let mut input = &bytes[..];
        let data = EncryptedData::decode(&mut input)
            .ok()
            .filter(|_| input.is_empty())
            .ok_or_else(|| refused("malformed", "the query is not encrypted data"))?;
        let undecipherable = |error: &dyn std::fmt::Display| refused("undecipherable", error);
        let client = data.pubkey;
        let known = self.agreements.get(&client);
        let is_known = known.is_some();
        let shared = match known {
            Some(shared) => shared,
            None => {
                let agreement = async { self.identity.agree(&client) };
                let agreed = self
                    .turns
                    .run(Flow::Worker, client, None, 0, agreement)
                    .await?;
                agreed.map_err(|error| undecipherable(&error))?
            }
        };
        let begun = processor_time();
        let plain = envelope::decrypt(&shared, &data).map_err(|error| undecipherable(&error))?;
        if !is_known {
            // Only now is it known that the client has its secret key.
            self.agreements.remember(client, shared.clone());
        }
        Ok(Opened {
            signature,
            bytes,
            client,
            shared,
            plain,
            work: processor_time().saturating_sub(begun),
        })
    }

    /// Finds out who signed a request, and that it is a new one.
    pub(super) fn sender(&self, opened: &Opened, view: &View) -> Result<AccountId, ServiceError> {
        let signer = self.signer(opened, view)?;
        self.once(opened, signer)?;
        Ok(signer)
    }

    /// Finds out who signed a request.
    pub(super) fn signer(&self, opened: &Opened, view: &View) -> Result<AccountId, ServiceError> {
        let Opened {
            signature, bytes, ..
        } = opened;
        let block = view.head.number;
        let signer = certificate::verify_query_knowing(bytes, signature, block, &self.certificates)
            .map_err(|error| refused("bad-certificate", error))?;
        Ok(signer.account)
    }

    /// Refuses a request that has been answered before.
    pub(super) fn once(&self, opened: &Opened, signer: AccountId) -> Result<(), ServiceError> {
        // With the account: who sees the bytes and sends them as their own must not use them up.
        let request = (signer, &opened.bytes).encode();
        if !self.answered.insert(blake2_256(&request)) {
            return Err(refused(
                "answered-before",
                "this very query has been answered before: make a new one with a new nonce",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answered_query_is_known_until_many_others_came() {
        let answered = Answered::default();
        let name = |number: usize| blake2_256(&number.to_le_bytes());
        assert!(answered.insert(name(0)));
        assert!(!answered.insert(name(0)));
        for number in 1..MAX_ANSWERED {
            assert!(answered.insert(name(number)));
        }
        assert!(!answered.insert(name(0)));
        assert!(answered.insert(name(MAX_ANSWERED)));
        assert!(answered.insert(name(0)), "the oldest one was forgotten");
        assert!(!answered.insert(name(2)));
    }
}
