//! The policy of a cluster.

use crate::{ClusterPermission, Clusters as Records, Error, Event, Policies, mock::*};
use phat_primitives::{
    AccountId as RawAccount, ContractId,
    limits::{MAX_CONTROL_GAS, MAX_FREE_CALLERS},
    message::{ClusterMessage, ResourceKind},
    policy::{Control, FeeModel, FreeCallers, Policy},
};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, dispatch::DispatchResult},
    frame_system::RawOrigin,
    sp_runtime::{AccountId32, BoundedVec},
};

type Permission = ClusterPermission<AccountId32>;

fn set(sender: u8, permission: Permission, policy: Policy) -> DispatchResult {
    Clusters::set_policy(signed(sender), first(), permission, policy)
}

fn owner_only() -> Permission {
    ClusterPermission::OnlyOwner(account(1))
}

fn controlled_by(contract: ContractId, gas_limit: u64) -> Policy {
    Policy {
        control: Some(Control {
            contract,
            gas_limit,
        }),
        ..Policy::default()
    }
}

/// A contract of account 1 in the first cluster, and instantiated.
fn instantiated(salt: &[u8]) -> ContractId {
    instantiate(1, salt, 0).unwrap();
    let key = cluster_key().public();
    pallet_phat_registry::ClusterKeys::<Test>::insert(first(), key);
    let id = contract(1, salt);
    Clusters::contract_ready(RawOrigin::Authorized.into(), ready(id)).unwrap();
    id
}

#[test]
fn the_owner_sets_the_policy_and_the_workers_hear_of_it() {
    on_chain(|| {
        create(1, &[1]).unwrap();
        ordered();
        let listed = BoundedVec::try_from(vec![RawAccount([4; 32])]).unwrap();
        let policy = Policy {
            free: FreeCallers::Listed(listed),
            fee_model: FeeModel::PayPerWeight,
            control: None,
        };
        assert_ok!(set(1, owner_only(), policy.clone()));
        assert_eq!(Policies::<Test>::get(first()), policy);
        assert_eq!(
            Records::<Test>::get(first()).unwrap().permission,
            owner_only()
        );
        let message = ClusterMessage::PolicySet(Box::new(policy));
        assert_eq!(ordered_there(), [message]);
        System::assert_has_event(Event::PolicySet { cluster: first() }.into());
    });
}

#[test]
fn nobody_else_sets_a_policy() {
    on_chain(|| {
        create(1, &[1]).unwrap();
        let set_by = |origin: RuntimeOrigin, cluster| {
            Clusters::set_policy(origin, cluster, owner_only(), Policy::default())
        };
        assert_noop!(set_by(signed(2), first()), Error::<Test>::NotClusterOwner);
        assert_noop!(
            set_by(signed(1), phat_primitives::ids::cluster_id(2)),
            Error::<Test>::ClusterNotFound
        );
        assert!(set_by(RawOrigin::Root.into(), first()).is_err());
    });
}

#[test]
fn from_then_on_those_deploy_who_may_in_every_way() {
    on_chain(|| {
        create(1, &[1]).unwrap();
        let allowed = BoundedVec::try_from(vec![account(2)]).unwrap();
        let list = ClusterPermission::AllowList(allowed);
        crate::TransportKeys::<Test>::insert(first(), (0, [0; 32]));
        for (permission, may) in [
            (owner_only(), vec![1]),
            (list, vec![1, 2]),
            (ClusterPermission::Public, vec![1, 2, 3]),
        ] {
            assert_ok!(set(1, permission, Policy::default()));
            for sender in 1..=3 {
                let salt = [sender, may.len() as u8];
                let sealed = || phat_primitives::private::SealedData {
                    epoch: 0,
                    data: phat_primitives::command::EncryptedData {
                        iv: [0; 12],
                        pubkey: [0; 32],
                        data: vec![1],
                    },
                };
                let ways = [
                    instantiate(sender, &salt, 0),
                    Clusters::cluster_upload_resource(
                        signed(sender),
                        first(),
                        ResourceKind::InkCode,
                        vec![1],
                    ),
                    Clusters::upload_private(signed(sender), first(), sealed()),
                    Clusters::instantiate_private(signed(sender), first(), sealed(), 0),
                ];
                for outcome in ways {
                    let expected = match may.contains(&sender) {
                        true => Ok(()),
                        false => Err(Error::<Test>::NoPermission.into()),
                    };
                    assert_eq!(outcome, expected, "{sender} of {may:?}");
                }
            }
        }
    });
}

#[test]
fn a_cluster_for_everybody_weighs_calls_by_stake() {
    on_chain(|| {
        create(1, &[1]).unwrap();
        let pay = Policy {
            fee_model: FeeModel::PayPerWeight,
            ..Policy::default()
        };
        assert_noop!(
            set(1, ClusterPermission::Public, pay.clone()),
            Error::<Test>::PublicClusterUsesStake
        );
        assert_ok!(set(1, owner_only(), pay));
        assert_ok!(set(1, ClusterPermission::Public, Policy::default()));
    });
}

#[test]
fn a_control_contract_is_an_instantiated_one_of_the_cluster() {
    on_chain(|| {
        create(1, &[1]).unwrap();
        create(2, &[10]).unwrap();
        let here = instantiated(b"here");
        instantiate(1, b"ordered", 0).unwrap();
        let ordered_only = contract(1, b"ordered");
        for stranger in [ContractId::zero(), ordered_only] {
            assert_noop!(
                set(1, owner_only(), controlled_by(stranger, 1)),
                Error::<Test>::ControlNotReady
            );
        }
        let second = phat_primitives::ids::cluster_id(2);
        let elsewhere = Clusters::set_policy(
            signed(2),
            second,
            ClusterPermission::Public,
            controlled_by(here, 1),
        );
        assert_noop!(elsewhere, Error::<Test>::ControlNotReady);
        for gas in [0, MAX_CONTROL_GAS + 1] {
            assert_noop!(
                set(1, owner_only(), controlled_by(here, gas)),
                Error::<Test>::ControlGasOutOfRange
            );
        }
        assert_ok!(set(1, owner_only(), controlled_by(here, MAX_CONTROL_GAS)));
        // And away with it again.
        assert_ok!(set(1, owner_only(), Policy::default()));
    });
}

#[test]
fn a_policy_that_finds_no_room_in_the_block_is_not_set() {
    on_chain(|| {
        create(1, &[1]).unwrap();
        fill_block();
        assert_noop!(
            set(1, owner_only(), Policy::default()),
            pallet_phat_messages::Error::<Test>::BlockFull
        );
    });
}

#[test]
fn the_list_of_free_callers_is_bounded() {
    let longest = vec![RawAccount([1; 32]); MAX_FREE_CALLERS as usize];
    assert!(
        BoundedVec::<_, _>::try_from(longest.clone())
            .is_ok_and(|listed| { matches!(FreeCallers::Listed(listed), FreeCallers::Listed(_)) })
    );
    let mut bytes = vec![2];
    codec::Encode::encode_to(&[longest, vec![RawAccount([2; 32])]].concat(), &mut bytes);
    assert!(<FreeCallers as codec::Decode>::decode(&mut &bytes[..]).is_err());
}
