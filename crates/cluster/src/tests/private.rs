//! Deployments that only the cluster can read.

use super::*;
use phat_crypto::contexts::{self, Context};
use phat_primitives::private::{
    ARGUMENTS_STEP, CODE_STEP, PrivateInstantiate, PrivateUpload, SealedData, binding, padded,
};

/// Something that `sender` encrypts to the cluster.
fn sealed(kept: &Kept, purpose: Context, sender: AccountId, plain: &[u8]) -> SealedData {
    let epoch = 2;
    let public = kept.cluster.transport_key(epoch).unwrap().public();
    let binding = binding(&kept.cluster.id(), &sender);
    let data = envelope::seal_data(&public, plain, purpose, &binding, &mut OsRng).unwrap();
    SealedData { epoch, data }
}

pub(super) fn private_upload(kept: &Kept, owner: AccountId, code: Vec<u8>) -> ClusterMessage {
    let kind = ResourceKind::InkCode;
    let plain = padded(&PrivateUpload { kind, code }, CODE_STEP);
    let sealed = sealed(kept, contexts::PRIVATE_UPLOAD, owner, &plain);
    ClusterMessage::UploadPrivate { owner, sealed }
}

pub(super) fn private_instantiate(
    kept: &Kept,
    deployer: AccountId,
    data: Vec<u8>,
) -> ClusterMessage {
    let private = PrivateInstantiate {
        code_hash: hash_of(&code("flipper")),
        data,
        salt: b"secret".to_vec(),
        transfer: 0,
        gas_limit: GAS,
        storage_deposit_limit: None,
    };
    let plain = padded(&private, ARGUMENTS_STEP);
    let sealed = sealed(kept, contexts::PRIVATE_INSTANTIATE, deployer, &plain);
    ClusterMessage::InstantiatePrivate { deployer, sealed }
}

#[test]
fn a_contract_is_made_in_private_and_works_as_any_other() {
    let mut kept = Kept::created();
    let flipper = code("flipper");
    let upload = private_upload(&kept, ALICE, flipper.clone());
    let uploaded = kept.one(upload);
    assert_eq!(uploaded.outcome, Ok(Success::Uploaded(hash_of(&flipper))));
    let instantiate = private_instantiate(&kept, ALICE, flipper_new(true));
    let applied = kept.apply(vec![instantiate]);
    let id = ids::contract_id(&ALICE, &hash_of(&flipper), &kept.cluster.id(), b"secret");
    let receipt = &applied.receipts[0];
    assert!(matches!(receipt.outcome, Ok(Success::Instantiated(made, _)) if made == id));
    assert_eq!(receipt.sender, ALICE);
    let owner = Owner {
        account: ALICE,
        private: true,
    };
    assert_eq!(
        applied.instantiated,
        [crate::Made {
            contract: id,
            owner
        }]
    );
    assert_eq!(crate::owner(&kept.state, &id).unwrap(), Some(owner));
    assert!(kept.flipped(id));
    let key = kept.cluster.contract_key(&id).public();
    let flip = kept.one(encrypted(key, id, selector("flip")));
    assert!(flip.outcome.is_ok(), "{flip:?}");
    assert!(!kept.flipped(id));
}

#[test]
fn what_fails_in_private_is_told_to_its_sender_only() {
    let mut kept = Kept::created();
    let bad_code = private_upload(&kept, ALICE, b"not Wasm".to_vec());
    let missing = private_instantiate(&kept, ALICE, flipper_new(true));
    let applied = kept.apply(vec![bad_code, missing]);
    let outcomes: Vec<_> = applied.receipts.iter().map(|r| &r.outcome).collect();
    assert!(
        matches!(outcomes[0], Err(Failure::CodeRejected(_))),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[1], Err(Failure::Failed(_))),
        "{outcomes:?}"
    );
    assert!(
        applied
            .receipts
            .iter()
            .all(|receipt| receipt.sender == ALICE)
    );
    assert!(applied.logs.is_empty(), "{:?}", applied.logs);
    assert!(applied.instantiated.is_empty());
    let upload = private_upload(&kept, ALICE, code("flipper"));
    kept.one(upload);
    let trap = private_instantiate(&kept, ALICE, vec![1, 2, 3, 4]);
    let applied = kept.apply(vec![trap]);
    assert!(applied.receipts[0].outcome.is_err());
    assert!(applied.receipts[0].gas_used > 0);
    assert!(applied.logs.is_empty(), "{:?}", applied.logs);
}

#[test]
fn nobody_can_send_what_somebody_else_has_sealed() {
    let mut kept = Kept::created();
    let ClusterMessage::UploadPrivate { sealed, .. } =
        private_upload(&kept, ALICE, code("flipper"))
    else {
        panic!()
    };
    let stolen = kept.one(ClusterMessage::UploadPrivate {
        owner: BOB,
        sealed: sealed.clone(),
    });
    assert!(
        matches!(stolen.outcome, Err(Failure::Unreadable(_))),
        "{stolen:?}"
    );
    // Nor is code taken for an instantiation, or opened with another key.
    let other_purpose = kept.one(ClusterMessage::InstantiatePrivate {
        deployer: ALICE,
        sealed: sealed.clone(),
    });
    assert!(matches!(other_purpose.outcome, Err(Failure::Unreadable(_))));
    let other_key = kept.one(ClusterMessage::UploadPrivate {
        owner: ALICE,
        sealed: SealedData { epoch: 1, ..sealed },
    });
    assert!(matches!(other_key.outcome, Err(Failure::Unreadable(_))));
    for plain in [&b"garbage"[..], &[], &[0; 1], &[0xff; 2_000]] {
        let sealed = sealed_garbage(&kept, plain);
        let receipt = kept.one(ClusterMessage::UploadPrivate {
            owner: ALICE,
            sealed,
        });
        assert!(receipt.outcome.is_err(), "{receipt:?}");
    }
}

fn sealed_garbage(kept: &Kept, plain: &[u8]) -> SealedData {
    sealed(kept, contexts::PRIVATE_UPLOAD, ALICE, plain)
}

#[test]
fn a_block_waits_for_the_transport_key_that_it_needs() {
    let mut kept = Kept::created();
    let message = private_upload(&kept, ALICE, code("flipper"));
    let before = kept.cluster.clone();
    let earlier = TransportSecret::new(0, 3, Zeroizing::new([6; 32])).at(1);
    kept.cluster = kept.cluster.clone().with_transport(earlier);
    assert_eq!(kept.cluster.can_open(&message), Err(2));
    let refused = kept.try_apply(vec![message.clone()]).unwrap_err();
    assert!(matches!(
        refused,
        ApplyError::NoTransportKey { epoch: 2, .. }
    ));
    kept.cluster = before;
    assert_eq!(kept.cluster.can_open(&message), Ok(()));
    assert!(kept.one(message).outcome.is_ok());
}
