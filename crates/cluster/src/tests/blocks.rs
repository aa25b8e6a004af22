//! What a block does to the state, its root and its keys, whatever stands in it.

use super::*;
use phat_primitives::credit::CreditOrder;

#[test]
fn the_first_block_makes_the_system_contract_at_no_cost() {
    let mut kept = Kept::new();
    let applied = kept.apply(vec![genesis()]);
    let settings = settings(&kept.state).unwrap().unwrap();
    let made = crate::Made {
        contract: settings.system_contract,
        owner: Owner {
            account: OWNER,
            private: false,
        },
    };
    assert_eq!(applied.instantiated, [made]);
    assert_eq!(settings.owner, OWNER);
    assert_eq!(
        settings.log_handler, None,
        "what a constructor asks for at birth is not granted"
    );
    assert_eq!(kept.free(OWNER), 0);
    assert_eq!(
        crate::contracts(kept.shared()).unwrap(),
        [settings.system_contract]
    );
}

#[test]
fn a_cluster_is_created_first_and_once() {
    let deposit = ClusterMessage::Deposit {
        account: ALICE,
        amount: 1,
    };
    let early = Kept::new().try_apply(vec![deposit]).unwrap_err();
    assert!(matches!(early, ApplyError::NotCreated(0)));
    let again = Kept::created().try_apply(vec![genesis()]).unwrap_err();
    assert!(matches!(again, ApplyError::CreatedTwice(3)));
}

#[test]
fn two_workers_come_to_the_same_root_however_the_blocks_fall() {
    let (mut one, mut two) = (Kept::created(), Kept::created());
    assert_eq!(one.accumulator.root(), two.accumulator.root());
    let contract = one.flipper();
    assert_eq!(two.flipper(), contract);
    let commands: Vec<_> = (0..3)
        .map(|_| plain(ALICE, contract, selector("flip"), GAS))
        .collect();
    for command in commands.clone() {
        one.apply(vec![command]);
        one.apply(Vec::new());
    }
    two.apply(commands);
    assert_eq!(one.accumulator.root(), two.accumulator.root());
    assert_eq!(one.state, two.state);
    // Records added up from nothing give the same root: a snapshot can be checked by it.
    let mut fresh = Accumulator::default();
    for (key, value) in &one.state {
        fresh.add(key, value.as_ref().unwrap());
    }
    assert_eq!(fresh.root(), one.accumulator.root());
}

#[test]
fn a_block_without_messages_leaves_everything_as_it_was() {
    let mut kept = Kept::created();
    let before = kept.accumulator.root();
    let applied = kept.apply(Vec::new());
    assert!(applied.changes.is_empty());
    assert_eq!(applied.state_root, before);
}

#[test]
fn contract_keys_differ_and_come_from_the_root() {
    let kept = Kept::new();
    let (one, two) = (Hash::repeat_byte(1), Hash::repeat_byte(2));
    let key = |contract| kept.cluster.contract_key(contract).public();
    assert_eq!(key(&one), key(&one));
    assert_ne!(key(&one), key(&two));
    let other = Cluster::new(ids::cluster_id(1), Keypair::from_seed([6; 32]), engine());
    assert_ne!(other.contract_key(&one).public(), key(&one));
}

#[test]
fn who_made_a_contract_is_known_as_long_as_it_exists() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let owner = crate::owner(&kept.state, &contract).unwrap().unwrap();
    assert_eq!((owner.account, owner.private), (ALICE, false));
    let system = settings(&kept.state).unwrap().unwrap().system_contract;
    assert_eq!(
        crate::owner(&kept.state, &system).unwrap().unwrap().account,
        OWNER
    );
    let mut changes = Changes::from([
        ([b"c", &contract.0[..]].concat(), None),
        ([b"c", &system.0[..]].concat(), Some(vec![1])),
    ]);
    let gone = crate::apply::forget_gone(&mut changes);
    assert_eq!(gone, [contract]);
    let kept_of_it = crate::settings::keys_of(&contract);
    assert!(kept_of_it.iter().all(|key| changes.get(key) == Some(&None)));
    assert_eq!(changes.len(), 5);
}

#[test]
fn what_was_spent_of_credits_is_the_treasurys_and_who_was_lent_some_is_no_part_of_the_state() {
    let mut kept = Kept::created();
    let (treasury, root) = (kept.free(TREASURY), kept.accumulator.root());
    let recalled = ClusterMessage::Credit(CreditOrder::Recalled(ALICE));
    assert_eq!(kept.apply(vec![recalled]).state_root, root);
    kept.apply(vec![ClusterMessage::CreditSettled { amount: 7 }]);
    assert_eq!(kept.free(TREASURY), treasury + 7);
}
