//! Deployment that only the workers of a cluster can read.

use crate::{
    ClusterContracts, ClusterPermission, CodeIndex, Contracts, Error, Event, TransportKeys, mock::*,
};
use codec::Encode;
use pallet_phat_registry::{ClusterKeys, ContractKeys};
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_primitives::{
    AccountId as RawAccount, ContractId,
    command::EncryptedData,
    ids,
    message::ClusterMessage,
    private::{MAX_SEALED_ARGUMENTS_LEN, MAX_SEALED_CODE_LEN, SealedData},
    report::{ContractReady, PrivateContractReady, SignedPrivateContractReady},
};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        dispatch::DispatchResult,
        pallet_prelude::{InvalidTransaction, TransactionSource, TransactionValidityError},
        traits::Authorize,
    },
    frame_system::RawOrigin,
};

fn sealed(len: u32) -> SealedData {
    SealedData {
        epoch: 0,
        data: EncryptedData {
            iv: [1; 12],
            pubkey: [2; 32],
            data: vec![3; len as usize],
        },
    }
}

fn upload(sender: u8, len: u32) -> DispatchResult {
    Clusters::upload_private(signed(sender), first(), sealed(len))
}

fn make(sender: u8, len: u32, deposit: u128) -> DispatchResult {
    Clusters::instantiate_private(signed(sender), first(), sealed(len), deposit)
}

fn secret() -> ContractId {
    ContractId::repeat_byte(0x5e)
}

fn statement(key: &Keypair, contract: ContractId) -> SignedPrivateContractReady {
    let statement = PrivateContractReady {
        ready: ContractReady {
            cluster: first(),
            contract,
            public: [5; 32],
        },
        deployer: RawAccount([2; 32]),
    };
    let context = contexts::PRIVATE_CONTRACT_READY;
    let signature = key.sign(context, &statement.encode(), &mut OsRng);
    SignedPrivateContractReady {
        statement,
        signature,
    }
}

fn hand_in(signed: SignedPrivateContractReady) -> Result<DispatchResult, TransactionValidityError> {
    RuntimeCall::Clusters(crate::Call::private_contract_ready {
        signed: signed.clone(),
    })
    .authorize(TransactionSource::External)
    .expect("a statement authorises itself")?;
    let origin = RawOrigin::Authorized.into();
    Ok(Clusters::private_contract_ready(origin, signed))
}

fn on_cluster(body: impl FnOnce()) {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2, 3]));
        ClusterKeys::<Test>::insert(first(), cluster_key().public());
        TransportKeys::<Test>::insert(first(), (0, [9; 32]));
        ordered();
        body();
    });
}

#[test]
fn what_is_sealed_is_ordered_as_it_is_and_names_no_contract() {
    on_cluster(|| {
        System::reset_events();
        assert_ok!(upload(2, 100));
        assert_ok!(make(3, 50, 0));
        let events = System::events().len();
        assert_eq!(
            ordered_there(),
            vec![
                ClusterMessage::UploadPrivate {
                    owner: RawAccount([2; 32]),
                    sealed: sealed(100)
                },
                ClusterMessage::InstantiatePrivate {
                    deployer: RawAccount([3; 32]),
                    sealed: sealed(50)
                },
            ]
        );
        assert_eq!(Contracts::<Test>::iter_keys().count(), 1, "the system's");
        assert_eq!(events, 2, "that two messages are queued");
    });
}

#[test]
fn limits_permissions_and_money_are_those_of_the_public_calls() {
    on_cluster(|| {
        assert_ok!(upload(2, MAX_SEALED_CODE_LEN));
        ordered();
        let too_large = Error::<Test>::PayloadTooLarge;
        assert_noop!(upload(2, MAX_SEALED_CODE_LEN + 1), too_large);
        let too_large = Error::<Test>::PayloadTooLarge;
        assert_noop!(make(2, MAX_SEALED_ARGUMENTS_LEN + 1, 0), too_large);
        let elsewhere = ids::cluster_id(9);
        assert_noop!(
            Clusters::upload_private(signed(2), elsewhere, sealed(1)),
            Error::<Test>::ClusterNotFound
        );
        assert_ok!(make(2, MAX_SEALED_ARGUMENTS_LEN, 1_000));
        assert_eq!(pool(), MINIMUM + 1_000);
        assert!(matches!(
            ordered_there()[..],
            [
                ClusterMessage::Deposit { amount: 1_000, .. },
                ClusterMessage::InstantiatePrivate { .. }
            ]
        ));
        fill_block();
        let full = pallet_phat_messages::Error::<Test>::BlockFull;
        assert_noop!(make(2, 1, 0), full);
    });
    on_chain(|| {
        let only = ClusterPermission::OnlyOwner(account(3));
        assert_ok!(create_with(1, only, &[1]));
        assert_noop!(upload(2, 1), Error::<Test>::NoPermission);
        assert_noop!(make(2, 1, 0), Error::<Test>::NoPermission);
        assert_noop!(make(3, 1, 0), Error::<Test>::NoSuchTransportKey);
        TransportKeys::<Test>::insert(first(), (0, [9; 32]));
        assert_ok!(make(3, 1, 0));
        let later = SealedData {
            epoch: 1,
            ..sealed(1)
        };
        assert_noop!(
            Clusters::upload_private(signed(3), first(), later),
            Error::<Test>::NoSuchTransportKey
        );
    });
}

#[test]
fn the_cluster_publishes_the_contract_without_its_code() {
    on_cluster(|| {
        assert_eq!(hand_in(statement(&cluster_key(), secret())), Ok(Ok(())));
        let info = Contracts::<Test>::get(secret()).unwrap();
        assert_eq!((info.deployer, info.cluster), (account(2), first()));
        assert_eq!(info.code_index, CodeIndex::Private);
        assert_eq!(ContractKeys::<Test>::get(secret()), Some([5; 32]));
        assert_eq!(ClusterContracts::<Test>::get(first()), vec![secret()]);
        System::assert_last_event(
            Event::Instantiated {
                contract: secret(),
                cluster: first(),
                deployer: account(2),
            }
            .into(),
        );
        let stale = Err(InvalidTransaction::Stale.into());
        assert_eq!(hand_in(statement(&cluster_key(), secret())), stale);
        assert_ok!(Clusters::push_contract_message(
            signed(4),
            secret(),
            vec![1],
            0
        ));
    });
}

#[test]
fn a_statement_is_the_clusters_own_and_about_a_contract_of_its_own() {
    on_cluster(|| {
        let bad = Err(InvalidTransaction::BadProof.into());
        let stranger = Keypair::from_seed([1; 32]);
        assert_eq!(hand_in(statement(&stranger, secret())), bad);
        let mut other_deployer = statement(&cluster_key(), secret());
        other_deployer.statement.deployer = RawAccount([3; 32]);
        assert_eq!(hand_in(other_deployer), bad);
        // What the cluster says about a contract that was ordered in public is something else.
        let ready = ContractReady {
            cluster: first(),
            contract: secret(),
            public: [5; 32],
        };
        let mut public = statement(&cluster_key(), secret());
        public.signature = sign(&cluster_key(), ready).signature;
        assert_eq!(hand_in(public), bad);
        assert_ok!(create(2, &[10]));
        let second = ids::cluster_id(2);
        let system = crate::Clusters::<Test>::get(second)
            .unwrap()
            .system_contract;
        let foreign = statement(&cluster_key(), system);
        assert_eq!(hand_in(foreign), Err(InvalidTransaction::Call.into()));
    });
}

#[test]
fn the_public_call_cannot_leave_the_code_out() {
    on_cluster(|| {
        let call = Clusters::instantiate_contract(
            signed(2),
            CodeIndex::Private,
            b"new".to_vec(),
            vec![],
            first(),
            0,
            0,
            None,
            0,
        );
        assert_noop!(call, Error::<Test>::CodeNotNamed);
    });
}
