//! The pool keeps its promises.

use polkadot_sdk::*;

use sp_keyring::Sr25519Keyring::Alice;

use super::*;
use crate::testing::transfer;

/// A transaction that requires and provides one-byte tags. Its hash is `id`.
fn transaction(id: u8, requires: &[u8], provides: &[u8], priority: u64) -> Arc<Transaction> {
    let tags = |bytes: &[u8]| bytes.iter().map(|byte| vec![*byte]).collect();
    Arc::new(Transaction {
        hash: hash(id),
        extrinsic: transfer(Alice, 0, 1, Hash::zero()),
        length: 100,
        sender: Some(AccountId::new([0; 32])),
        requires: tags(requires),
        provides: tags(provides),
        priority,
        last_block: 100,
    })
}

fn hash(id: u8) -> Hash {
    Hash::repeat_byte(id)
}

fn pool() -> Pool {
    Pool::new(Limits::default(), 0)
}

fn ready(pool: &Pool) -> Vec<u8> {
    pool.ready().iter().map(|t| t.hash.0[0]).collect()
}

/// The invariants that the documentation of [`Pool`] promises.
fn check(pool: &Pool) {
    for (hash, entry) in &pool.entries {
        let met = entry.unmet.iter().all(|tag| pool.ready_provider(tag));
        assert_eq!(entry.ready, met, "{hash:?}");
        for tag in &entry.transaction.provides {
            assert_eq!(pool.provider.get(tag), Some(hash));
        }
        for tag in &entry.unmet {
            assert!(pool.waiting[tag].contains(hash));
        }
    }
    let provided = pool.entries.values().map(|e| e.transaction.provides.len());
    assert_eq!(pool.provider.len(), provided.sum::<usize>());
    let bytes = pool.entries.values().map(|e| e.transaction.length);
    assert_eq!(pool.bytes, bytes.sum::<usize>());
    assert_eq!(pool.per_sender.values().sum::<usize>(), pool.entries.len());
    assert!(pool.entries.len() <= pool.limits.transactions);
    assert!(pool.bytes <= pool.limits.bytes);
    let ready = pool.entries.values().filter(|entry| entry.ready).count();
    assert_eq!(pool.ready().len(), ready);
}

#[test]
fn a_transaction_waits_until_what_it_requires_is_there() {
    let mut pool = pool();
    let events = pool
        .insert(transaction(2, b"a", b"b", 1))
        .expect("it is taken");
    assert_eq!(events, [(hash(2), Event::Future)]);
    assert!(!pool.wants_block());
    let events = pool
        .insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    assert_eq!(events, [(hash(1), Event::Ready), (hash(2), Event::Ready)]);
    assert_eq!(ready(&pool), [1, 2]);
    check(&pool);
}

#[test]
fn order_follows_requirements_then_priority_then_arrival() {
    let mut pool = pool();
    for transaction in [
        transaction(1, b"", b"a", 1),
        transaction(2, b"a", b"b", 9),
        transaction(3, b"", b"c", 5),
        transaction(4, b"", b"d", 5),
    ] {
        pool.insert(transaction).expect("it is taken");
    }
    assert_eq!(ready(&pool), [3, 4, 1, 2]);
}

#[test]
fn what_a_block_includes_makes_the_next_ready_and_leaves() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    pool.insert(transaction(2, b"a", b"b", 1))
        .expect("it is taken");
    let events = pool.follow(1, [(hash(1), Outcome::Included)]);
    assert_eq!(events, [(hash(1), Event::Included)]);
    assert_eq!((ready(&pool), pool.height()), (vec![2], 1));
    check(&pool);
}

#[test]
fn what_required_an_invalid_transaction_waits_again() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    pool.insert(transaction(2, b"a", b"b", 1))
        .expect("it is taken");
    pool.insert(transaction(3, b"b", b"c", 1))
        .expect("it is taken");
    let events = pool.follow(
        1,
        [
            (hash(1), Outcome::Invalid("no".into())),
            (hash(2), Outcome::Premature),
            (hash(3), Outcome::Premature),
        ],
    );
    assert_eq!(
        events,
        [
            (hash(2), Event::Future),
            (hash(3), Event::Future),
            (hash(1), Event::Invalid("no".into())),
        ]
    );
    assert!(!pool.wants_block());
    check(&pool);
}

#[test]
fn a_transaction_that_waits_for_nothing_and_is_premature_all_the_same_leaves() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    let events = pool.follow(1, [(hash(1), Outcome::Premature)]);
    assert!(
        matches!(&events[..], [(_, Event::Invalid(_))]),
        "{events:?}"
    );
    // Otherwise it would ask for one block after the other.
    assert!(!pool.wants_block());
}

#[test]
fn a_higher_priority_takes_the_place_of_the_same_tags_and_an_equal_one_does_not() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 5))
        .expect("it is taken");
    assert_eq!(
        pool.insert(transaction(2, b"", b"a", 5)),
        Err(PoolError::PriorityTooLow {
            waiting: 5,
            offered: 5
        })
    );
    let events = pool
        .insert(transaction(3, b"", b"a", 6))
        .expect("it is taken");
    assert_eq!(
        events,
        [(hash(1), Event::Usurped(hash(3))), (hash(3), Event::Ready)]
    );
    check(&pool);
}

#[test]
fn the_same_transaction_is_not_taken_twice() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    assert_eq!(
        pool.insert(transaction(1, b"", b"a", 1)),
        Err(PoolError::AlreadyIn)
    );
}

#[test]
fn priority_zero_goes_along_and_causes_no_block() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 0))
        .expect("it is taken");
    assert!(!pool.wants_block());
    assert_eq!(ready(&pool), [1]);
    pool.insert(transaction(2, b"", b"b", 1))
        .expect("it is taken");
    assert!(pool.wants_block());
}

#[test]
fn signed_and_general_transactions_are_never_offered_together_and_neither_starves() {
    let general = {
        let mut transaction = Arc::into_inner(transaction(1, b"", b"a", 9)).expect("it is ours");
        let signed = transaction.extrinsic;
        let Preamble::Signed(_, _, extension) = signed.preamble else {
            panic!("the transfer is signed");
        };
        transaction.extrinsic = UncheckedExtrinsic::new_transaction(signed.function, extension);
        Arc::new(transaction)
    };
    let offered = |pool: &Pool, due| {
        let offer = pool.offer(due);
        let ids: Vec<u8> = offer.transactions.iter().map(|t| t.hash.0[0]).collect();
        (ids, offer.is_general)
    };
    let mut pool = pool();
    assert_eq!(offered(&pool, true), (vec![], false));
    pool.insert(general).expect("it is taken");
    assert_eq!(offered(&pool, false), (vec![1], true));
    pool.insert(transaction(2, b"", b"b", 1))
        .expect("it is taken");
    assert_eq!(offered(&pool, false), (vec![2], false));
    assert_eq!(offered(&pool, true), (vec![1], true));
}

#[test]
fn a_transaction_leaves_when_its_last_block_is_made() {
    let mut pool = pool();
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    assert!(pool.follow(99, []).is_empty());
    let events = pool.follow(100, []);
    assert!(
        matches!(&events[..], [(_, Event::Invalid(_))]),
        "{events:?}"
    );
    check(&pool);
}

#[test]
fn a_full_pool_drops_what_waits_for_others_and_keeps_what_is_ready() {
    let limits = Limits {
        transactions: 2,
        ..Limits::default()
    };
    let mut pool = Pool::new(limits, 0);
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    pool.insert(transaction(2, b"x", b"b", 9))
        .expect("it is taken");
    let events = pool
        .insert(transaction(3, b"", b"c", 1))
        .expect("it is taken");
    assert_eq!(events, [(hash(2), Event::Dropped), (hash(3), Event::Ready)]);
    assert_eq!(
        pool.insert(transaction(4, b"", b"d", 9)),
        Err(PoolError::Full)
    );
    check(&pool);
}

#[test]
fn bytes_and_senders_have_limits_of_their_own() {
    let mut pool = Pool::new(
        Limits {
            bytes: 150,
            ..Limits::default()
        },
        0,
    );
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    assert_eq!(
        pool.insert(transaction(2, b"", b"b", 1)),
        Err(PoolError::Full)
    );

    let mut pool = Pool::new(
        Limits {
            per_sender: 1,
            ..Limits::default()
        },
        0,
    );
    pool.insert(transaction(1, b"", b"a", 1))
        .expect("it is taken");
    assert_eq!(
        pool.insert(transaction(2, b"", b"b", 1)),
        Err(PoolError::SenderFull(1))
    );
    // Replacing one's own does not make it more.
    pool.insert(transaction(3, b"", b"a", 2))
        .expect("it is taken");

    let mut pool = Pool::new(
        Limits {
            without_sender: 0,
            ..Limits::default()
        },
        0,
    );
    let mut unsigned = Arc::into_inner(transaction(1, b"", b"a", 1)).expect("it is ours");
    unsigned.sender = None;
    assert_eq!(
        pool.insert(Arc::new(unsigned)),
        Err(PoolError::SenderFull(0))
    );
}

#[test]
fn invariants_hold_after_random_operations() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let limits = Limits {
        transactions: 12,
        bytes: 1100,
        per_sender: 11,
        without_sender: 3,
    };
    let mut pool = Pool::new(limits, 0);
    let mut height = 0;
    for _ in 0..4000 {
        match random(4) {
            0 => {
                height += 1;
                let offered = pool.ready();
                let outcomes = offered.iter().map(|transaction| {
                    let outcome = match random(4) {
                        0 => Outcome::Invalid("chance".into()),
                        1 => Outcome::Premature,
                        2 => Outcome::Deferred,
                        _ => Outcome::Included,
                    };
                    (transaction.hash, outcome)
                });
                let outcomes: Vec<_> = outcomes.collect();
                pool.follow(height, outcomes);
            }
            _ => {
                let tag = |n: u64| u8::try_from(n).expect("small");
                let (provided, required) = (tag(random(16)), tag(random(16)));
                let requires: &[u8] = if required < provided {
                    &[required]
                } else {
                    &[]
                };
                let mut new = Arc::into_inner(transaction(
                    tag(random(250)),
                    requires,
                    &[provided],
                    random(4),
                ))
                .expect("it is ours");
                new.last_block = height + 1 + u32::from(tag(random(9)));
                if random(3) == 0 {
                    new.sender = None;
                }
                // Refusals are part of the game.
                let _ = pool.insert(Arc::new(new));
            }
        }
        check(&pool);
    }
}
