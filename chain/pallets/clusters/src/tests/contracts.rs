//! Code, contracts and commands.

use crate::{ClusterContracts, CodeIndex, Contracts, Error, Event, mock::*, refusal};
use pallet_phat_registry::{ClusterKeys, ContractKeys};
use phat_crypto::Keypair;
use phat_primitives::{
    AccountId as RawAccount, Hash, ids,
    limits::{MAX_CLUSTER_CONTRACTS, MAX_CODE_LEN, MAX_PAYLOAD_LEN, MAX_SALT_LEN},
    message::{ClusterMessage, Instantiate, ResourceKind},
    report::{ContractReady, SignedContractReady},
};
use polkadot_sdk::{
    frame_support::{
        BoundedVec, assert_noop, assert_ok,
        dispatch::DispatchResult,
        pallet_prelude::{InvalidTransaction, TransactionSource, TransactionValidityError},
        traits::Authorize,
    },
    frame_system::RawOrigin,
    sp_runtime::{traits::Dispatchable, transaction_validity::ValidTransaction},
};

fn upload(kind: ResourceKind, len: u32) -> DispatchResult {
    Clusters::cluster_upload_resource(signed(2), first(), kind, vec![7; len as usize])
}

fn command(sender: u8, payload: Vec<u8>, deposit: u128) -> DispatchResult {
    Clusters::push_contract_message(signed(sender), contract(2, b""), payload, deposit)
}

fn authorize(signed: &SignedContractReady) -> Result<ValidTransaction, TransactionValidityError> {
    RuntimeCall::Clusters(crate::Call::contract_ready {
        signed: signed.clone(),
    })
    .authorize(TransactionSource::External)
    .expect("a statement authorises itself")
    .map(|(validity, _)| validity)
}

fn apply(signed: SignedContractReady) -> DispatchResult {
    authorize(&signed).map_err(|_| "not authorised")?;
    Clusters::contract_ready(RawOrigin::Authorized.into(), signed)
}

/// A cluster with a key, and a contract of account 2 that was ordered.
fn on_cluster(body: impl FnOnce()) {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2, 3]));
        assert_ok!(instantiate(2, b"", 0));
        ClusterKeys::<Test>::insert(first(), cluster_key().public());
        ordered();
        body();
    });
}

#[test]
fn code_of_both_ink_kinds_is_uploaded_up_to_the_limit() {
    on_cluster(|| {
        for kind in [ResourceKind::InkCode, ResourceKind::IndeterministicInkCode] {
            assert_noop!(
                upload(kind, MAX_CODE_LEN + 1),
                Error::<Test>::PayloadTooLarge
            );
            assert_ok!(upload(kind, 3));
            let expected = ClusterMessage::Upload {
                owner: RawAccount([2; 32]),
                kind,
                code: vec![7; 3],
            };
            assert_eq!(ordered_there(), vec![expected]);
        }
        assert_ok!(upload(ResourceKind::InkCode, MAX_CODE_LEN));
        assert_noop!(
            upload(ResourceKind::SidevmCode, 3),
            Error::<Test>::SidevmNotSupported
        );
    });
}

#[test]
fn an_instantiation_is_ordered_as_it_was_asked_for() {
    on_cluster(|| {
        assert_ok!(instantiate(3, b"salt", 0));
        let expected = ClusterMessage::Instantiate(Instantiate {
            deployer: RawAccount([3; 32]),
            code_hash: code(),
            data: b"new".to_vec(),
            salt: b"salt".to_vec(),
            transfer: 5,
            gas_limit: 6,
            storage_deposit_limit: Some(7),
        });
        assert_eq!(ordered_there(), vec![expected]);
        let info = Contracts::<Test>::get(contract(3, b"salt")).unwrap();
        assert_eq!((info.deployer, info.cluster), (account(3), first()));
        assert_eq!(info.code_index, CodeIndex::WasmCode(code()));
        System::assert_last_event(
            Event::Instantiating {
                contract: contract(3, b"salt"),
                cluster: first(),
                deployer: account(3),
            }
            .into(),
        );
    });
}

#[test]
fn what_is_too_long_for_an_instantiation_is_refused() {
    on_cluster(|| {
        let with = |data: u32, salt: u32| {
            Clusters::instantiate_contract(
                signed(2),
                CodeIndex::WasmCode(code()),
                vec![0; data as usize],
                vec![0; salt as usize],
                first(),
                0,
                0,
                None,
                0,
            )
        };
        assert_noop!(with(MAX_PAYLOAD_LEN + 1, 0), Error::<Test>::PayloadTooLarge);
        assert_noop!(with(0, MAX_SALT_LEN + 1), Error::<Test>::PayloadTooLarge);
        assert_ok!(with(MAX_PAYLOAD_LEN, MAX_SALT_LEN));
    });
}

#[test]
fn a_failed_instantiation_can_be_tried_again_and_a_done_one_cannot() {
    on_cluster(|| {
        assert_ok!(instantiate(2, b"", 0));
        assert_ok!(apply(ready(contract(2, b""))));
        assert_noop!(instantiate(2, b"", 0), Error::<Test>::DuplicatedContract);
        assert_ok!(instantiate(2, b"other salt", 0));
        assert_ok!(instantiate(3, b"", 0));
    });
}

#[test]
fn a_deposit_moves_money_and_reaches_the_workers_before_what_it_pays_for() {
    on_cluster(|| {
        let deposit = ClusterMessage::Deposit {
            account: RawAccount([2; 32]),
            amount: 100,
        };
        assert_ok!(instantiate(2, b"salt", 100));
        assert_eq!((balance(2), pool()), (ENDOWMENT - 100, MINIMUM + 100));
        let messages = ordered_there();
        assert_eq!(messages[0], deposit);
        assert!(matches!(messages[1], ClusterMessage::Instantiate(_)));
        assert_ok!(command(2, vec![1], 100));
        assert_eq!((balance(2), pool()), (ENDOWMENT - 200, MINIMUM + 200));
        let messages = ordered_there();
        assert_eq!(messages[0], deposit);
        assert!(matches!(messages[1], ClusterMessage::Command { .. }));
    });
}

#[test]
fn a_deposit_that_cannot_be_paid_or_finds_no_room_orders_nothing() {
    on_cluster(|| {
        // The account must stay alive.
        for amount in [ENDOWMENT - MINIMUM + 1, u128::MAX] {
            assert!(command(2, vec![1], amount).is_err());
            assert!(instantiate(2, b"salt", amount).is_err());
        }
        fill_block();
        let full = pallet_phat_messages::Error::<Test>::BlockFull;
        assert_noop!(command(2, vec![1], 100), full);
        let full = pallet_phat_messages::Error::<Test>::BlockFull;
        assert_noop!(instantiate(2, b"salt", 100), full);
        assert!(ordered().is_empty());
        assert_eq!((balance(2), pool()), (ENDOWMENT, MINIMUM));
    });
}

#[test]
fn anybody_commands_a_contract_that_was_ordered_and_the_payload_is_passed_on_unread() {
    on_cluster(|| {
        assert_ok!(command(4, vec![0xff, 0], 0));
        let expected = ClusterMessage::Command {
            sender: RawAccount([4; 32]),
            contract: contract(2, b""),
            payload: vec![0xff, 0],
        };
        assert_eq!(ordered_there(), vec![expected]);
        let most = MAX_PAYLOAD_LEN as usize;
        assert_noop!(
            command(4, vec![0; most + 1], 0),
            Error::<Test>::PayloadTooLarge
        );
        assert_ok!(command(4, vec![0; most], 0));
        assert_noop!(
            Clusters::push_contract_message(signed(4), contract(5, b""), vec![], 0),
            Error::<Test>::ContractNotFound
        );
    });
}

#[test]
fn what_is_asked_of_a_cluster_that_is_not_there_is_refused() {
    on_chain(|| {
        let missing = Error::<Test>::ClusterNotFound;
        assert_noop!(upload(ResourceKind::InkCode, 1), missing);
        let missing = Error::<Test>::ClusterNotFound;
        assert_noop!(instantiate(2, b"", 0), missing);
    });
}

#[test]
fn a_contracts_key_is_published_once_under_the_clusters_key() {
    on_cluster(|| {
        let id = contract(2, b"");
        assert_ok!(apply(ready(id)));
        assert_eq!(ContractKeys::<Test>::get(id), Some([5; 32]));
        assert_eq!(ClusterContracts::<Test>::get(first()), vec![id]);
        System::assert_has_event(
            Event::ContractPubkeyAvailable {
                contract: id,
                cluster: first(),
                pubkey: [5; 32],
            }
            .into(),
        );
        System::assert_last_event(
            Event::Instantiated {
                contract: id,
                cluster: first(),
                deployer: account(2),
            }
            .into(),
        );
        assert_eq!(
            authorize(&ready(id)),
            Err(InvalidTransaction::Stale.into()),
            "the same statement again"
        );
    });
}

#[test]
fn a_statement_that_is_not_the_clusters_is_refused() {
    on_cluster(|| {
        let id = contract(2, b"");
        let mut changed = ready(id);
        changed.statement.public = [6; 32];
        let foreign = sign(&Keypair::from_seed([78; 32]), ready(id).statement);
        for bad in [changed, foreign] {
            assert_eq!(authorize(&bad), Err(InvalidTransaction::BadProof.into()));
        }
        ClusterKeys::<Test>::remove(first());
        assert_eq!(
            authorize(&ready(id)),
            Err(InvalidTransaction::BadProof.into()),
            "a cluster without a key says nothing"
        );
    });
}

#[test]
fn a_statement_about_a_contract_that_the_chain_does_not_expect_is_refused() {
    on_cluster(|| {
        let call = Err(InvalidTransaction::Call.into());
        assert_eq!(authorize(&ready(Hash::repeat_byte(1))), call);
        // A cluster that speaks about a contract of another.
        assert_ok!(create(2, &[10]));
        let second = ids::cluster_id(2);
        let other = Keypair::from_seed([79; 32]);
        ClusterKeys::<Test>::insert(second, other.public());
        let statement = ContractReady {
            cluster: second,
            contract: contract(2, b""),
            public: [5; 32],
        };
        assert_eq!(authorize(&sign(&other, statement)), call);
    });
}

#[test]
fn nobody_hands_in_a_statement_that_was_not_authorised() {
    on_cluster(|| {
        for origin in [
            RawOrigin::Signed(account(1)),
            RawOrigin::Root,
            RawOrigin::None,
        ] {
            let call = RuntimeCall::Clusters(crate::Call::contract_ready {
                signed: ready(contract(2, b"")),
            });
            assert!(call.dispatch(origin.into()).is_err());
        }
    });
}

#[test]
fn a_full_cluster_refuses_statements_before_they_enter_a_block() {
    // Its contracts are made up, so the invariants are not checked.
    chain().execute_with(|| {
        assert_ok!(create(1, &[1]));
        assert_ok!(instantiate(2, b"", 0));
        ClusterKeys::<Test>::insert(first(), cluster_key().public());
        let contracts = |count: u32| {
            let ids = (0..u64::from(count)).map(Hash::from_low_u64_be);
            BoundedVec::try_from(ids.collect::<Vec<_>>()).unwrap()
        };
        let statement = ready(contract(2, b""));
        ClusterContracts::<Test>::insert(first(), contracts(MAX_CLUSTER_CONTRACTS));
        assert_eq!(
            authorize(&statement),
            Err(InvalidTransaction::Custom(refusal::CLUSTER_FULL).into())
        );
        ClusterContracts::<Test>::insert(first(), contracts(MAX_CLUSTER_CONTRACTS - 1));
        assert_ok!(apply(statement));
    });
}

#[test]
fn statements_are_urgent_and_one_of_a_contract_excludes_another() {
    on_cluster(|| {
        assert_ok!(instantiate(3, b"", 0));
        let one = authorize(&ready(contract(2, b""))).unwrap();
        let same = authorize(&ready(contract(2, b""))).unwrap();
        let other = authorize(&ready(contract(3, b""))).unwrap();
        assert!(one.priority > 0);
        assert_eq!(one.provides, same.provides);
        assert_ne!(one.provides, other.provides);
    });
}
