//! Creating clusters, and their workers.

use crate::{
    ClusterPermission, ClusterWorkers, Clusters as Records, CodeIndex, Contracts, Error, Event,
    Lapsed, TransportKeys, WorkerCluster, WorkerStates, mock::*,
};
use codec::{Decode, Encode};
use pallet_phat_messages::OnReport;
use pallet_phat_registry::OnService;
use phat_primitives::{
    AccountId as RawAccount, Hash, WorkerId, blake2_256, ids,
    limits::{MAX_CLUSTER_WORKERS, MAX_CODE_LEN},
    message::{
        ClusterMessage, KeyDelivery, MasterKeys, Message, SealedKey, TransportDelivery,
        TransportEpoch,
    },
    report::Payload,
};
use polkadot_sdk::{
    frame_support::{BoundedVec, assert_noop, assert_ok, dispatch::DispatchResult},
    frame_system::RawOrigin,
    sp_runtime::DispatchError,
};

fn add(owner: u8, number: u8) -> DispatchResult {
    Clusters::add_worker_to_cluster(signed(owner), worker(number), first())
}

fn remove(owner: u8, number: u8) -> DispatchResult {
    Clusters::remove_worker_from_cluster(signed(owner), worker(number), first())
}

fn secret() -> SealedKey {
    SealedKey {
        iv: [1; 12],
        ephemeral: [2; 32],
        data: [3; 48],
    }
}

fn delivery(recipient: u8, public: u8, epoch: u32) -> KeyDelivery {
    KeyDelivery {
        worker: worker(recipient),
        public: [public; 32],
        secret: secret(),
        transport: vec![TransportDelivery {
            first: 0,
            epoch,
            public: [public + epoch as u8 + 1; 32],
            secret: secret(),
        }],
    }
}

fn key_payload(recipient: u8, public: u8) -> Payload {
    key_of_epoch(recipient, public, 0)
}

fn key_of_epoch(recipient: u8, public: u8, epoch: u32) -> Payload {
    Payload::ClusterKey {
        cluster: first(),
        delivery: delivery(recipient, public, epoch),
    }
}

#[test]
fn a_cluster_begins_with_all_that_its_workers_must_know() {
    on_chain(|| {
        assert_ok!(create(1, &[2, 1]));
        let system_hash = Hash::from(blake2_256(SYSTEM_CODE));
        let owner = RawAccount([1; 32]);
        let system_contract = ids::contract_id(&owner, &system_hash, &first(), &[]);
        let [Message::Cluster(cluster, ClusterMessage::Created(genesis))] = &ordered()[..] else {
            panic!("one message is ordered");
        };
        assert_eq!(*cluster, first());
        assert_eq!(genesis.owner, owner);
        assert_eq!(genesis.system_code, SYSTEM_CODE);
        assert_eq!(genesis.system_contract, system_contract);
        assert_eq!(genesis.workers, vec![worker(2), worker(1)]);
        let prices = genesis.prices;
        assert_eq!(
            (
                prices.gas_price,
                prices.deposit_per_item,
                prices.deposit_per_byte
            ),
            (1, 2, 3)
        );
        assert_eq!(prices.treasury, RawAccount([9; 32]));
        let record = Records::<Test>::get(first()).unwrap();
        assert_eq!(
            (record.owner, record.system_contract),
            (account(1), system_contract)
        );
        let info = Contracts::<Test>::get(system_contract).unwrap();
        assert_eq!(info.code_index, CodeIndex::WasmCode(system_hash));
        System::assert_last_event(
            Event::ClusterCreated {
                cluster: first(),
                system_contract,
            }
            .into(),
        );
    });
}

#[test]
fn clusters_are_counted_from_one() {
    on_chain(|| {
        assert_ok!(create(1, &[1]));
        assert_ok!(create(1, &[2]));
        assert_ok!(create(2, &[10]));
        for counter in 1..=3 {
            assert!(Records::<Test>::contains_key(ids::cluster_id(counter)));
        }
        assert_eq!(Records::<Test>::iter_keys().count(), 3);
    });
}

#[test]
fn there_is_no_cluster_without_a_gatekeeper_or_a_system_contract() {
    on_chain(|| {
        let generations = pallet_phat_registry::MasterGenerations::<Test>::take();
        assert_noop!(create(1, &[1]), Error::<Test>::NoGatekeeper);
        pallet_phat_registry::MasterGenerations::<Test>::put(generations);
        let code = crate::PinkSystemCode::<Test>::take();
        assert_noop!(create(1, &[1]), Error::<Test>::NoPinkSystemCode);
        crate::PinkSystemCode::<Test>::set(code);
        assert_ok!(create(1, &[1]));
    });
}

#[test]
fn a_cluster_takes_registered_free_workers_of_its_owner_once_each() {
    on_chain(|| {
        assert_noop!(create(1, &[]), Error::<Test>::NoWorkerSpecified);
        assert_noop!(create(1, &[1, 6]), Error::<Test>::WorkerNotFound);
        assert_noop!(create(1, &[1, 10]), Error::<Test>::NotWorkerOperator);
        assert_noop!(create(1, &[1, 2, 1]), Error::<Test>::DuplicatedWorker);
        assert_ok!(create(1, &[1]));
        assert_noop!(create(1, &[2, 1]), Error::<Test>::WorkerInUse);
        assert_eq!(WorkerCluster::<Test>::get(worker(2)), None);
    });
}

#[test]
fn the_owner_pays_for_the_clusters_account_or_there_is_no_cluster() {
    on_chain(|| {
        assert_ok!(Balances::force_set_balance(
            RawOrigin::Root.into(),
            account(1),
            2 * MINIMUM - 1
        ));
        assert!(create(1, &[1]).is_err());
        assert_ok!(Balances::force_set_balance(
            RawOrigin::Root.into(),
            account(1),
            2 * MINIMUM
        ));
        assert_ok!(create(1, &[1]));
        assert_eq!((balance(1), pool()), (MINIMUM, MINIMUM));
    });
}

#[test]
fn a_cluster_that_finds_no_place_in_the_block_leaves_no_trace() {
    on_chain(|| {
        fill_block();
        assert_noop!(
            create(1, &[1]),
            pallet_phat_messages::Error::<Test>::BlockFull
        );
    });
}

#[test]
fn the_system_code_is_set_by_root_and_for_later_clusters() {
    on_chain(|| {
        let new: BoundedVec<_, _> = b"new".to_vec().try_into().unwrap();
        assert_noop!(
            Clusters::set_pink_system_code(signed(1), new.clone()),
            DispatchError::BadOrigin
        );
        assert_ok!(create(1, &[1]));
        let before = Records::<Test>::get(first());
        assert_ok!(Clusters::set_pink_system_code(RawOrigin::Root.into(), new));
        let code_hash = Hash::from(blake2_256(b"new"));
        System::assert_last_event(Event::SystemCodeSet { code_hash }.into());
        assert_eq!(Records::<Test>::get(first()), before);
        assert_ok!(create(1, &[2]));
        let second = Records::<Test>::get(ids::cluster_id(2)).unwrap();
        let info = Contracts::<Test>::get(second.system_contract).unwrap();
        assert_eq!(info.code_index, CodeIndex::WasmCode(code_hash));
    });
}

#[test]
fn a_system_code_that_is_too_long_is_not_even_decoded() {
    let call = |len: u32| {
        // A call's number and a list of that many zeros.
        let bytes = (7u8, vec![0u8; len as usize]).encode();
        crate::Call::<Test>::decode(&mut &bytes[..])
    };
    assert!(call(MAX_CODE_LEN).is_ok());
    assert!(call(MAX_CODE_LEN + 1).is_err());
}

#[test]
fn the_owner_adds_free_workers_of_its_own() {
    on_chain(|| {
        assert_noop!(add(1, 2), Error::<Test>::ClusterNotFound);
        assert_ok!(create(1, &[1]));
        assert_ok!(create(2, &[10]));
        assert_noop!(add(2, 11), Error::<Test>::NotClusterOwner);
        assert_noop!(add(1, 11), Error::<Test>::NotWorkerOperator);
        assert_noop!(add(1, 6), Error::<Test>::WorkerNotFound);
        assert_noop!(add(1, 1), Error::<Test>::DuplicatedWorker);
        ordered();
        assert_ok!(add(1, 2));
        assert_eq!(
            ordered_there(),
            vec![ClusterMessage::WorkerAdded(worker(2))]
        );
        assert_eq!(
            ClusterWorkers::<Test>::get(first()),
            vec![worker(1), worker(2)]
        );
        System::assert_last_event(
            Event::WorkerAddedToCluster {
                worker: worker(2),
                cluster: first(),
            }
            .into(),
        );
        assert_ok!(create(1, &[3]));
        assert_noop!(add(1, 3), Error::<Test>::WorkerInUse);
    });
}

#[test]
fn a_cluster_has_only_so_many_workers() {
    chain().execute_with(|| {
        assert_ok!(create(1, &[1]));
        let full = vec![worker(1); MAX_CLUSTER_WORKERS as usize];
        ClusterWorkers::<Test>::insert(first(), BoundedVec::try_from(full).unwrap());
        assert_noop!(add(1, 2), Error::<Test>::TooManyWorkers);
    });
}

#[test]
fn a_worker_that_leaves_is_free_again_and_the_others_are_told() {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2]));
        assert_ok!(heartbeat(2, &[]));
        assert!(WorkerStates::<Test>::contains_key(worker(2)));
        assert_noop!(remove(2, 2), Error::<Test>::NotClusterOwner);
        assert_noop!(remove(1, 3), Error::<Test>::WorkerNotInCluster);
        ordered();
        assert_ok!(remove(1, 2));
        assert_eq!(
            ordered_there().first(),
            Some(&ClusterMessage::WorkerRemoved(worker(2)))
        );
        System::assert_has_event(
            Event::WorkerRemovedFromCluster {
                worker: worker(2),
                cluster: first(),
            }
            .into(),
        );
        assert!(!WorkerStates::<Test>::contains_key(worker(2)));
        assert_noop!(remove(1, 2), Error::<Test>::WorkerNotInCluster);
        assert_noop!(heartbeat(2, &[]), Error::<Test>::WorkerNotInCluster);
        assert_ok!(create(1, &[2]));
    });
}

#[test]
fn a_heartbeat_counts_in_the_workers_own_cluster_only() {
    on_chain(|| {
        assert_ok!(create(1, &[1]));
        assert_ok!(create(2, &[10]));
        assert_noop!(
            heartbeat_in(ids::cluster_id(2), 1, &[]),
            Error::<Test>::WorkerNotInCluster
        );
        assert_noop!(heartbeat(5, &[]), Error::<Test>::WorkerNotInCluster);
        assert_ok!(heartbeat(1, &[]));
        let state = WorkerStates::<Test>::get(worker(1)).unwrap();
        assert_eq!(
            (state.cluster, state.block, state.state_root),
            (first(), 1, Hash::repeat_byte(1))
        );
        System::assert_last_event(
            Event::StateReported {
                worker: worker(1),
                cluster: first(),
                block: 1,
                state_root: Hash::repeat_byte(1),
            }
            .into(),
        );
    });
}

#[test]
fn a_clusters_key_goes_from_the_gatekeeper_to_the_workers_of_the_cluster() {
    on_chain(|| {
        assert_ok!(create(1, &[2, 3]));
        ordered();
        let report = |from, payload| Clusters::on_payload(&worker(from), &payload);
        assert_noop!(
            report(2, key_payload(2, 7)),
            pallet_phat_registry::Error::<Test>::NotGatekeeper
        );
        assert_noop!(
            report(1, key_payload(4, 7)),
            Error::<Test>::WorkerNotInCluster
        );
        assert_ok!(report(1, key_payload(2, 7)));
        let available = Event::ClusterPubkeyAvailable {
            cluster: first(),
            pubkey: [7; 32],
        };
        System::assert_has_event(available.clone().into());
        System::reset_events();
        assert_noop!(
            report(1, key_payload(3, 8)),
            pallet_phat_registry::Error::<Test>::KeyMismatch
        );
        assert_ok!(report(1, key_payload(3, 7)));
        let available = available.into();
        assert!(
            System::events()
                .iter()
                .all(|record| record.event != available)
        );
        System::assert_last_event(
            Event::ClusterDeployed {
                cluster: first(),
                pubkey: [7; 32],
                worker: worker(3),
            }
            .into(),
        );
        let delivered = |number| ClusterMessage::KeyDelivered(delivery(number, 7, 0));
        assert_eq!(ordered_there(), vec![delivered(2), delivered(3)]);
    });
}

#[test]
fn the_transport_key_changes_when_a_worker_leaves_and_when_the_owner_says_so() {
    on_chain(|| {
        assert_ok!(create(1, &[2, 3]));
        let report = |payload| Clusters::on_payload(&worker(1), &payload);
        assert_ok!(report(key_payload(2, 7)));
        assert_ok!(report(key_payload(3, 7)));
        assert_eq!(TransportKeys::<Test>::get(first()), Some((0, [8; 32])));
        ordered();

        assert_ok!(remove(1, 3));
        let rotated = |epoch| {
            ClusterMessage::TransportRotated(TransportEpoch {
                epoch,
                ..TransportEpoch::default()
            })
        };
        assert_eq!(
            ordered_there(),
            vec![ClusterMessage::WorkerRemoved(worker(3)), rotated(1)]
        );
        assert_noop!(report(key_payload(2, 7)), Error::<Test>::StaleKey);
        assert_noop!(
            report(key_of_epoch(3, 7, 1)),
            Error::<Test>::WorkerNotInCluster
        );
        assert_noop!(report(key_of_epoch(2, 7, 2)), Error::<Test>::StaleKey);
        assert_ok!(report(key_of_epoch(2, 7, 1)));
        assert_eq!(TransportKeys::<Test>::get(first()), Some((1, [9; 32])));
        System::assert_has_event(
            Event::TransportKeyAvailable {
                cluster: first(),
                epoch: 1,
                pubkey: [9; 32],
            }
            .into(),
        );
        ordered();

        assert_noop!(
            Clusters::rotate_transport_key(signed(2), first()),
            Error::<Test>::NotClusterOwner
        );
        assert_ok!(Clusters::rotate_transport_key(signed(1), first()));
        assert_eq!(ordered_there(), vec![rotated(2)]);
    });
}

#[test]
fn a_key_that_two_gatekeepers_deliver_is_passed_on_once() {
    on_chain(|| {
        assert_ok!(create(1, &[2]));
        assert_ok!(Registry::add_gatekeeper(RawOrigin::Root.into(), worker(4)));
        let masters = Payload::MasterKeys(MasterKeys {
            worker: worker(4),
            keys: vec![secret()],
        });
        assert_ok!(Registry::on_payload(&worker(1), &masters));
        ordered();
        assert_ok!(Clusters::on_payload(&worker(4), &key_payload(2, 7)));
        assert_eq!(ordered().len(), 1);
        assert_ok!(Clusters::on_payload(&worker(1), &key_payload(2, 7)));
        assert_eq!(ordered().len(), 0);
    });
}

#[test]
fn a_key_comes_from_a_master_key_that_the_chain_knows() {
    on_chain(|| {
        assert_ok!(Registry::rotate_master_key(RawOrigin::Root.into()));
        assert_ok!(create(1, &[2]));
        ordered();
        let early = DispatchError::from(pallet_phat_registry::Error::<Test>::NoMasterKey);
        // This one was asked to make the key, and may have. Another one may be asked and be faster.
        assert_noop!(Clusters::on_payload(&worker(1), &key_payload(2, 7)), early);
        // This one has been sent none.
        assert_ok!(Registry::add_gatekeeper(RawOrigin::Root.into(), worker(4)));
        assert_noop!(Clusters::on_payload(&worker(4), &key_payload(2, 7)), early);
        let made = Payload::MasterKey {
            generation: 1,
            public: [5; 32],
        };
        assert_ok!(Registry::on_payload(&worker(1), &made));
        assert_ok!(Clusters::on_payload(&worker(1), &key_payload(2, 7)));
    });
}

#[test]
fn deploying_is_for_those_whom_the_permission_names() {
    let only = |byte| ClusterPermission::OnlyOwner(account(byte));
    let list = ClusterPermission::AllowList(vec![account(3)].try_into().unwrap());
    let cases = [
        (ClusterPermission::Public, [true, true, true]),
        (only(1), [true, false, false]),
        (only(3), [false, false, true]),
        (list, [true, false, true]),
    ];
    for (permission, allowed) in cases {
        on_chain(|| {
            assert_ok!(create_with(1, permission.clone(), &[1]));
            for (deployer, allowed) in (1..).zip(allowed) {
                let expected: DispatchResult = match allowed {
                    true => Ok(()),
                    false => Err(Error::<Test>::NoPermission.into()),
                };
                assert_eq!(instantiate(deployer, b"", 0), expected);
                let upload = Clusters::cluster_upload_resource(
                    signed(deployer),
                    first(),
                    phat_primitives::message::ResourceKind::InkCode,
                    vec![1],
                );
                assert_eq!(upload, expected);
            }
        });
    }
}

/// What the registry tells when a worker goes out of service and comes back.
fn lapse(number: u8) {
    pallet_phat_registry::InService::<Test>::remove(worker(number));
    assert_ok!(<Clusters as OnService>::lapsed(&worker(number)));
}

fn come_back(number: u8) {
    enter_service(number);
    assert_ok!(<Clusters as OnService>::returned(&worker(number)));
}

#[test]
fn a_worker_out_of_service_leaves_its_cluster_and_comes_back_to_it() {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2]));
        ordered();
        lapse(2);
        let rotated = TransportEpoch::default().next(0);
        assert_eq!(
            ordered_there(),
            [
                ClusterMessage::WorkerRemoved(worker(2)),
                ClusterMessage::TransportRotated(rotated),
            ],
            "it gets none of the keys that come"
        );
        System::assert_has_event(
            Event::WorkerRemovedFromCluster {
                worker: worker(2),
                cluster: first(),
            }
            .into(),
        );
        assert_eq!(ClusterWorkers::<Test>::get(first()).to_vec(), [worker(1)]);
        assert_eq!(WorkerCluster::<Test>::get(worker(2)), None);
        assert_eq!(Clusters::do_try_state(), Ok(()));
        assert_noop!(
            Clusters::on_payload(&worker(1), &key_payload(2, 1)),
            Error::<Test>::WorkerNotInCluster
        );
        assert_noop!(add(1, 2), Error::<Test>::WorkerOutOfService);
        come_back(2);
        assert_eq!(ordered_there(), [ClusterMessage::WorkerAdded(worker(2))]);
        let members = ClusterWorkers::<Test>::get(first());
        assert_eq!(members.to_vec(), [worker(1), worker(2)]);
        assert_eq!(Lapsed::<Test>::iter_keys().count(), 0);
        // A worker that was in no cluster is told of to nobody.
        lapse(3);
        come_back(3);
        assert_eq!(ordered(), []);
    });
}

#[test]
fn a_worker_out_of_service_can_be_told_not_to_come_back() {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2]));
        lapse(2);
        assert_noop!(remove(2, 2), Error::<Test>::NotClusterOwner);
        assert_ok!(remove(1, 2));
        ordered();
        come_back(2);
        assert_eq!(ordered(), []);
        assert_noop!(remove(1, 2), Error::<Test>::WorkerNotInCluster);
    });
}

#[test]
fn a_cluster_that_is_full_by_then_takes_no_worker_back() {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2]));
        lapse(2);
        ordered();
        let full: Vec<_> = (0..MAX_CLUSTER_WORKERS as u16)
            .map(|number| {
                WorkerId(
                    [number.to_le_bytes(), [9, 9]]
                        .concat()
                        .repeat(8)
                        .try_into()
                        .unwrap(),
                )
            })
            .collect();
        let members = ClusterWorkers::<Test>::get(first());
        ClusterWorkers::<Test>::insert(first(), BoundedVec::truncate_from(full));
        come_back(2);
        assert_eq!(ordered(), []);
        System::assert_last_event(
            Event::WorkerNotReassigned {
                worker: worker(2),
                cluster: first(),
            }
            .into(),
        );
        ClusterWorkers::<Test>::insert(first(), members);
    });
}

#[test]
fn nobody_leaves_or_comes_back_while_the_workers_cannot_be_told() {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2]));
        fill_block();
        let leaves = storage_layer(|| <Clusters as OnService>::lapsed(&worker(2)));
        assert!(leaves.is_err());
        assert_eq!(WorkerCluster::<Test>::get(worker(2)), Some(first()));
        ordered();
        lapse(2);
        fill_block();
        enter_service(2);
        let returns = storage_layer(|| <Clusters as OnService>::returned(&worker(2)));
        assert!(returns.is_err());
        assert_eq!(Lapsed::<Test>::get(worker(2)), Some(first()));
        pallet_phat_registry::InService::<Test>::remove(worker(2));
    });
}

fn storage_layer(body: impl FnOnce() -> DispatchResult) -> DispatchResult {
    polkadot_sdk::frame_support::storage::with_storage_layer(body)
}
