//! Who holds the master keys, and how they are made and passed on.

use super::*;
use crate::{Gatekeeper, GatekeeperMasterPubkey, Gatekeepers, MasterGenerations, MasterKeys};
use phat_primitives::{
    limits::{MAX_GATEKEEPERS, MAX_MASTER_GENERATIONS},
    message::MasterKeys as Delivery,
};

fn add(number: u8) -> DispatchResult {
    Registry::add_gatekeeper(RawOrigin::Root.into(), id(number))
}

fn remove(number: u8) -> DispatchResult {
    Registry::remove_gatekeeper(RawOrigin::Root.into(), id(number))
}

fn rotate() -> DispatchResult {
    Registry::rotate_master_key(RawOrigin::Root.into())
}

fn report(from: u8, payload: Payload) -> DispatchResult {
    Registry::on_payload(&id(from), &payload)
}

fn key(generation: u32, public: u8) -> Payload {
    Payload::MasterKey {
        generation,
        public: [public; 32],
    }
}

fn keys(to: u8, generations: usize) -> Delivery {
    Delivery {
        worker: id(to),
        keys: vec![sealed(); generations],
    }
}

fn send(from: u8, to: u8, generations: usize) -> DispatchResult {
    report(from, Payload::MasterKeys(keys(to, generations)))
}

/// What the workers are told since this was last asked.
fn told() -> Vec<Message> {
    pallet_phat_messages::PendingSize::<Test>::kill();
    pallet_phat_messages::Pending::<Test>::take()
}

fn wanted(generation: u32, maker: u8) -> Message {
    Message::MasterKeyWanted {
        generation,
        maker: id(maker),
    }
}

fn made(generation: u32, public: u8) -> Message {
    Message::MasterKeyMade {
        generation,
        public: [public; 32],
    }
}

/// A chain with workers 1 to 3, of which 1 is a gatekeeper that has made the first key.
fn with_gatekeeper(body: impl FnOnce()) {
    on_chain(|| {
        for number in 1..=3 {
            register_known(number);
        }
        assert_ok!(add(1));
        assert_ok!(report(1, key(0, 10)));
        told();
        body();
    });
}

fn held() -> Vec<(u8, u32)> {
    Gatekeepers::<Test>::get()
        .iter()
        .map(
            |Gatekeeper {
                 worker,
                 generations,
             }| {
                let number = (1..=20).find(|number| id(*number) == *worker).unwrap();
                (number, *generations)
            },
        )
        .collect()
}

#[test]
fn the_first_gatekeeper_makes_the_key_and_later_ones_are_sent_it() {
    on_chain(|| {
        assert_noop!(add(1), Error::<Test>::WorkerNotFound);
        for number in 1..=3 {
            register_known(number);
        }
        assert!(!Registry::is_gatekeeper(&id(1)));
        assert_ok!(add(1));
        assert!(Registry::is_gatekeeper(&id(1)));
        assert_noop!(add(1), Error::<Test>::GatekeeperExists);
        assert_eq!(told(), vec![Message::GatekeeperAdded(id(1)), wanted(0, 1)]);
        assert_eq!(Registry::master_generation(), Some(0));

        assert_noop!(report(2, key(0, 10)), Error::<Test>::NotGatekeeper);
        assert_noop!(report(1, key(1, 10)), Error::<Test>::NotWanted);
        assert_ok!(report(1, key(0, 10)));
        assert_eq!(told(), vec![made(0, 10)]);
        assert_eq!(GatekeeperMasterPubkey::<Test>::get(), Some([10; 32]));
        System::assert_last_event(
            Event::MasterKeyAvailable {
                generation: 0,
                public: [10; 32],
            }
            .into(),
        );
        assert_noop!(report(1, key(0, 11)), Error::<Test>::KeyMismatch);
        assert_ok!(report(1, key(0, 10)));
        assert_eq!(told(), vec![], "nothing new is nothing to tell");

        assert_ok!(add(2));
        assert_eq!(told(), vec![Message::GatekeeperAdded(id(2))]);
        assert_noop!(send(1, 3, 1), Error::<Test>::NotGatekeeper);
        assert_noop!(send(3, 2, 1), Error::<Test>::NotGatekeeper);
        assert_noop!(send(1, 2, 2), Error::<Test>::NotWanted);
        assert_ok!(send(1, 2, 1));
        assert_eq!(told(), vec![Message::MasterKeysDelivered(keys(2, 1))]);
        assert_ok!(send(1, 2, 1));
        assert_eq!(told(), vec![], "once is enough");
        assert_eq!(held(), vec![(1, 1), (2, 1)]);
    });
}

#[test]
fn a_new_generation_is_made_by_one_that_holds_the_others_and_keeps_them() {
    with_gatekeeper(|| {
        assert_ok!(add(2));
        assert_ok!(rotate());
        assert_eq!(told(), vec![Message::GatekeeperAdded(id(2)), wanted(1, 1)]);
        assert_noop!(report(2, key(1, 11)), Error::<Test>::NotWanted);
        assert_noop!(rotate(), Error::<Test>::MasterKeyUnderWay);
        // Worker 1 does not answer; once worker 2 has the first key, it can be asked.
        assert_ok!(send(1, 2, 1));
        assert_ok!(rotate());
        told();
        assert_noop!(report(1, key(1, 11)), Error::<Test>::NotWanted);
        assert_ok!(report(2, key(1, 12)));
        assert_eq!(told(), vec![made(1, 12)]);
        assert_eq!(held(), vec![(1, 1), (2, 2)]);
        assert_eq!(MasterKeys::<Test>::get(0), Some([10; 32]));
        assert_eq!(MasterKeys::<Test>::get(1), Some([12; 32]));
        assert_ok!(send(2, 1, 2));
        assert_eq!(held(), vec![(1, 2), (2, 2)]);
    });
}

#[test]
fn a_gatekeeper_leaves_only_if_another_holds_all_keys() {
    with_gatekeeper(|| {
        assert_noop!(remove(2), Error::<Test>::NotGatekeeper);
        assert_noop!(remove(1), Error::<Test>::LastGatekeeper);
        assert_ok!(add(2));
        assert_noop!(remove(1), Error::<Test>::LastGatekeeper);
        assert_ok!(send(1, 2, 1));
        told();
        assert_ok!(remove(1));
        assert_eq!(
            told(),
            vec![Message::GatekeeperRemoved(id(1)), wanted(1, 2)]
        );
        assert!(!Registry::is_gatekeeper(&id(1)));
        assert_noop!(report(1, key(1, 9)), Error::<Test>::NotGatekeeper);
        assert_ok!(report(2, key(1, 12)));
    });
}

#[test]
fn a_maker_that_is_removed_is_replaced() {
    on_chain(|| {
        for number in 1..=2 {
            register_known(number);
        }
        assert_ok!(add(1));
        assert_ok!(add(2));
        told();
        assert_ok!(remove(1));
        assert_eq!(
            told(),
            vec![Message::GatekeeperRemoved(id(1)), wanted(0, 2)]
        );
        assert_ok!(report(2, key(0, 12)));
        assert_eq!(MasterGenerations::<Test>::get(), 1);
    });
}

#[test]
fn gatekeepers_and_generations_are_bounded() {
    with_gatekeeper(|| {
        for generation in 1..MAX_MASTER_GENERATIONS {
            told();
            assert_ok!(rotate());
            assert_ok!(report(1, key(generation, 10)));
        }
        assert_noop!(rotate(), Error::<Test>::TooManyGenerations);
        for number in 2..=MAX_GATEKEEPERS as u8 {
            register_known(number);
            assert_ok!(add(number));
        }
        register_known(100);
        assert_noop!(add(100), Error::<Test>::TooManyGatekeepers);
    });
}

#[test]
fn only_root_elects_dismisses_and_rotates() {
    with_gatekeeper(|| {
        let signed = || RawOrigin::Signed(account(1)).into();
        for refused in [
            Registry::add_gatekeeper(signed(), id(2)),
            Registry::remove_gatekeeper(signed(), id(1)),
            Registry::rotate_master_key(signed()),
        ] {
            assert_eq!(refused, Err(DispatchError::BadOrigin));
        }
    });
}
