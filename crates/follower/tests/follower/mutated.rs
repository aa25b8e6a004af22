//! Good batches with random changes.

use crate::chain::change_item;
use crate::hostile::setting;
use phat_follower::Batch;
use proptest::prelude::*;

/// A change to one of the parts of a batch.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(usize, u8),
    Truncate(usize),
    Insert(usize, Vec<u8>),
    Replace(Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        6 => (any::<usize>(), 1..=u8::MAX).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        2 => any::<usize>().prop_map(Mutation::Truncate),
        2 => (any::<usize>(), prop::collection::vec(any::<u8>(), 1..70))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Mutation::Replace),
    ]
}

impl Mutation {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(at, bits) => {
                let at = at % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Self::Truncate(at) => bytes.truncate(at % bytes.len().max(1)),
            Self::Insert(at, new) => {
                let at = at % (bytes.len() + 1);
                bytes.splice(at..at, new);
            }
            Self::Replace(new) => *bytes = new,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Invariant: whatever is done to a good batch, the follower does not panic, and is afterwards
    /// either where it was or where the good batch leads.
    #[test]
    fn a_mutated_batch_leads_nowhere_else(
        mutations in prop::collection::vec((0..7usize, mutation()), 1..4)
    ) {
        let (mut chain, follower) = setting();
        let good = {
            let blocks = vec![
                chain.block(),
                chain.block(),
                chain.block_with(vec![change_item(&[5, 6], 0)]),
            ];
            Batch { blocks, justification: chain.justify() }
        };
        let mut arrived = follower.clone();
        let finals = arrived.apply(good.clone()).unwrap();

        let mut batch = good.clone();
        for (part, mutation) in mutations {
            mutation.apply(match part {
                0 => &mut batch.justification,
                part if part % 2 == 0 => &mut batch.blocks[part / 2 - 1].header,
                part => &mut batch.blocks[part / 2].outbound,
            });
        }
        let mut mutated = follower.clone();
        match mutated.apply(batch.clone()) {
            Err(_) => {
                prop_assert_ne!(&batch, &good);
                prop_assert_eq!(mutated, follower);
            }
            Ok(blocks) => {
                prop_assert_eq!(blocks, finals);
                prop_assert_eq!(mutated, arrived);
            }
        }
    }
}
