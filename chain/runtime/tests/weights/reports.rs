//! Payloads of reports, each at its most.

#[path = "../../../../crates/attestation/tests/common/mod.rs"]
mod samples;

use crate::{network::*, registry};
use codec::Encode;
use pallet_phat_clusters::{Credit, PendingWithdrawal, Slice};
use pallet_phat_messages::OnReport;
use phat_attestation::{Evidence, quote::QuoteEvidence};
use phat_primitives::{
    Hash,
    credit::{CreditReport, SliceUse},
    limits::{
        MAX_AGREED_ROOTS, MAX_CREDIT_LINES, MAX_CREDIT_SLICES, MAX_GATEKEEPERS,
        MAX_MASTER_GENERATIONS, MAX_PENDING_WITHDRAWALS, MAX_REPORT_HEARTBEATS,
        MAX_REPORT_PAYLOADS, MAX_TRANSPORT_CHAINS, ROOT_VOTE_BLOCKS,
    },
    message::{KeyDelivery, MasterKeys, SealedKey, TransportDelivery},
    report::{Heartbeat, Payload, Roots, WithdrawalOutcome, WorkerState},
};
use phat_runtime::*;
use phat_weighing::Figures;
use polkadot_sdk::frame_support::{
    BoundedVec, dispatch::DispatchResult, storage::with_storage_layer,
};

type Handlers = <Runtime as pallet_phat_messages::Config>::OnReport;

/// Weighs a payload of worker 0, which is a gatekeeper.
fn payload(figures: &mut Figures, what: &str, payload: &Payload) -> DispatchResult {
    let (weight, reporter) = (Handlers::weight(payload), worker(0));
    figures.check(what, weight, || {
        with_storage_layer(|| Handlers::on_payload(&reporter, payload))
    })
}

/// What a cluster may have come to.
fn roots(byte: u8) -> Roots {
    Roots {
        state_root: Hash::repeat_byte(byte),
        receipts: Hash::repeat_byte(byte),
    }
}

/// A heartbeat about the block before, or the one before that, and so on.
pub(crate) fn heartbeat(back: u32, withdrawals: u32) -> Payload {
    let Roots {
        state_root,
        receipts,
    } = roots(1);
    let outcome = |number: u32| WithdrawalOutcome {
        number: number.into(),
        amount: PHA,
    };
    Payload::Heartbeat(Heartbeat {
        cluster: cluster(),
        block: NOW - 1 - back,
        state_root,
        receipts,
        withdrawals: (0..withdrawals).map(outcome).collect(),
    })
}

/// All members but worker 0 have voted, half of all for one thing and the others for another.
fn votes<V: Copy>(one: V, other: V) -> impl Iterator<Item = (phat_primitives::WorkerId, V)> {
    (1..MEMBERS).map(move |number| match number <= MEMBERS / 2 {
        true => (worker(number), one),
        false => (worker(number), other),
    })
}

/// The next vote decides about the blocks that a report can be about, and about all withdrawals. Votes of
/// older blocks are to be cleared away, and so is the oldest agreement.
fn all_but_decided() {
    let votes_on_roots: Vec<_> = votes(roots(1), roots(2)).collect();
    let votes_on_roots = BoundedVec::try_from(votes_on_roots).unwrap();
    let late = NOW - 2 * ROOT_VOTE_BLOCKS;
    let open: Vec<_> = (late..late + ROOT_VOTE_BLOCKS / 2)
        .chain(NOW - ROOT_VOTE_BLOCKS / 2..NOW)
        .collect();
    for block in &open {
        pallet_phat_clusters::RootVotes::<Runtime>::insert(cluster(), block, &votes_on_roots);
    }
    pallet_phat_clusters::OpenRoots::<Runtime>::insert(
        cluster(),
        BoundedVec::try_from(open).unwrap(),
    );
    let agreed: Vec<_> = (0..MAX_AGREED_ROOTS).collect();
    for block in &agreed {
        pallet_phat_clusters::AgreedRoots::<Runtime>::insert(cluster(), block, roots(3));
    }
    pallet_phat_clusters::AgreedBlocks::<Runtime>::insert(
        cluster(),
        BoundedVec::try_from(agreed).unwrap(),
    );
    let votes_on_amounts: Vec<_> = votes(PHA, 0).collect();
    for number in 0..MAX_PENDING_WITHDRAWALS {
        let pending = PendingWithdrawal {
            account: account(10_000 + number),
            amount: PHA,
            votes: votes_on_amounts.clone().try_into().unwrap(),
        };
        let number = u64::from(number);
        pallet_phat_clusters::Withdrawals::<Runtime>::insert(cluster(), number, pending);
    }
    let count = MAX_PENDING_WITHDRAWALS;
    pallet_phat_clusters::WithdrawalCount::<Runtime>::insert(cluster(), count);
    for number in 0..MEMBERS {
        let state = WorkerState {
            cluster: cluster(),
            block: 1,
            state_root: Hash::zero(),
            receipts: Hash::zero(),
        };
        pallet_phat_clusters::WorkerStates::<Runtime>::insert(worker(number), state);
    }
}

/// Keys on their way to a worker, after the transport key has changed.
fn cluster_keys(number: u32) -> Payload {
    let secret = SealedKey {
        iv: [1; 12],
        ephemeral: [1; 32],
        data: [1; 48],
    };
    let key = TransportDelivery {
        first: 0,
        epoch: 1,
        public: [7; 32],
        secret,
    };
    let delivery = KeyDelivery {
        worker: worker(number),
        public: cluster_key().public(),
        secret,
        transport: vec![key; MAX_TRANSPORT_CHAINS as usize],
    };
    let cluster = cluster();
    Payload::ClusterKey { cluster, delivery }
}

fn rotate_transport_key() {
    let call = pallet_phat_clusters::Call::<Runtime>::rotate_transport_key {
        cluster_id: cluster(),
    };
    run(signed(owner()), call);
    ordered();
}

/// The session of a worker.
pub(crate) fn session(number: u32) -> Hash {
    Hash::from_low_u64_be(number.into())
}

/// A slice of a worker, of which nothing was spent.
pub(crate) fn slice(number: u32, of: u32) -> Slice {
    Slice {
        number: u64::from(number) * u64::from(MAX_CREDIT_SLICES) + u64::from(of),
        worker: worker(of),
        session: session(of),
        lent: PHA,
        spent: 0,
        parted: None,
    }
}

/// A credit of which these workers have slices.
pub(crate) fn credit(number: u32, of: impl Iterator<Item = u32>) -> Credit {
    let slices: Vec<_> = of.map(|worker| slice(number, worker)).collect();
    Credit {
        free: 10 * PHA,
        slice: PHA,
        closing: false,
        slices: slices.try_into().unwrap(),
    }
}

/// The sessions of the workers that have slices are there still.
pub(crate) fn sessions() {
    for number in 0..=MAX_CREDIT_SLICES {
        let session = session(number);
        pallet_phat_clusters::CreditSessions::<Runtime>::insert(worker(number), session);
    }
    pallet_phat_clusters::NextSlice::<Runtime>::put(1 << 32);
}

/// Half of the credits come back from worker 0, which is the last but one in each, and are paid out; it
/// is to be the last one to have a slice of the others.
fn credits() -> Payload {
    sessions();
    let of = |number: u32| account(20_000 + number);
    for number in 0..MAX_CREDIT_LINES {
        let mut back = credit(number, (0..MAX_CREDIT_SLICES).rev());
        back.closing = true;
        pallet_phat_clusters::Credits::<Runtime>::insert(cluster(), of(number), back);
        let number = number + MAX_CREDIT_LINES;
        let wanted = credit(number, 1..MAX_CREDIT_SLICES);
        pallet_phat_clusters::Credits::<Runtime>::insert(cluster(), of(number), wanted);
    }
    let back = |number: u32| SliceUse {
        account: raw(&of(number)),
        number: slice(number, 0).number,
        spent: PHA / 2,
        done: true,
    };
    let wanted = MAX_CREDIT_LINES..2 * MAX_CREDIT_LINES;
    Payload::Credit(CreditReport {
        cluster: cluster(),
        session: session(0),
        slices: (0..MAX_CREDIT_LINES).map(back).collect(),
        wanted: wanted.map(|number| raw(&of(number))).collect(),
    })
}

/// As much as one report of worker 0 can hold, on a network in which all of it counts.
pub(crate) fn everything() -> Vec<Payload> {
    all_but_decided();
    rotate_transport_key();
    let mut payloads = vec![credits()];
    let keys = MAX_REPORT_PAYLOADS - MAX_REPORT_HEARTBEATS - 1;
    payloads.extend((1..=keys).map(cluster_keys));
    payloads.push(heartbeat(0, MAX_PENDING_WITHDRAWALS));
    payloads.extend((1..MAX_REPORT_HEARTBEATS).map(|back| heartbeat(back, 0)));
    payloads
}

pub(crate) fn weigh(figures: &mut Figures) {
    network().execute_with(|| {
        start();
        all_but_decided();
        let all = heartbeat(0, MAX_PENDING_WITHDRAWALS);
        payload(figures, "heartbeat, the last vote on everything", &all).unwrap();
        let count = pallet_phat_clusters::WithdrawalCount::<Runtime>::get(cluster());
        assert_eq!(count, 0, "all withdrawals are decided");
        let members = pallet_phat_clusters::ClusterWorkers::<Runtime>::get(cluster());
        assert!((members.len() as u32) < MEMBERS, "some have left");
    });
    network().execute_with(|| {
        start();
        all_but_decided();
        payload(
            figures,
            "heartbeat, the last vote on roots",
            &heartbeat(0, 0),
        )
        .unwrap();
    });
    network().execute_with(|| {
        payload(figures, "heartbeat, the first vote", &heartbeat(0, 0)).unwrap();
    });
    network().execute_with(|| {
        start();
        all_but_decided();
        let block = NOW - 1;
        pallet_phat_clusters::AgreedRoots::<Runtime>::insert(cluster(), block, roots(3));
        payload(figures, "heartbeat, of one that differs", &heartbeat(0, 0)).unwrap();
        assert!(pallet_phat_clusters::Diverged::<Runtime>::contains_key(
            worker(0)
        ));
    });
    network().execute_with(|| {
        rotate_transport_key();
        pallet_phat_registry::ClusterKeys::<Runtime>::remove(cluster());
        payload(figures, "keys of a cluster", &cluster_keys(1)).unwrap();
    });
    network().execute_with(|| {
        let credits = credits();
        payload(figures, "credits", &credits).unwrap();
        let returned = account(20_000);
        assert!(
            Balances::free_balance(returned) > 0,
            "credits are paid back"
        );
    });
    network().execute_with(|| {
        pallet_phat_registry::MasterKeyMaker::<Runtime>::put(worker(0));
        let generation = MAX_MASTER_GENERATIONS - 2;
        let public = [1; 32];
        let made = Payload::MasterKey { generation, public };
        payload(figures, "a master key", &made).unwrap();
    });
    network().execute_with(|| {
        let last = MAX_GATEKEEPERS - 1;
        pallet_phat_registry::Gatekeepers::<Runtime>::mutate(|all| {
            all[last as usize].generations = 0
        });
        let key = SealedKey {
            iv: [1; 12],
            ephemeral: [1; 32],
            data: [1; 48],
        };
        let keys = MasterKeys {
            worker: worker(last),
            keys: vec![key; MAX_MASTER_GENERATIONS as usize - 1],
        };
        payload(figures, "all master keys", &Payload::MasterKeys(keys)).unwrap();
    });
    network().execute_with(|| {
        let quote = Payload::Evidence(quote().encode());
        let error = payload(figures, "evidence, a quote", &quote).unwrap_err();
        let expected = pallet_phat_registry::Error::<Runtime>::EvidenceNotBound;
        assert_eq!(error, expected.into(), "all signatures are good");
        let evidence = Payload::Evidence(registry::evidence(0).encode());
        payload(figures, "evidence, signed by a root", &evidence).unwrap();
    });
}

/// Evidence of worker 0 with the quote of a real machine, which was not made for it.
fn quote() -> Evidence {
    Evidence::Sgx(QuoteEvidence {
        claims: registry::claims(0),
        quote: samples::SGX.quote.to_vec(),
        collateral: samples::SGX.collateral(),
    })
}
