//! What is true after every step.

use super::{
    machine::{Machine, Running},
    network::Network,
    reference::{History, Seat},
};
use crate::records;
use codec::{Decode, Encode};
use pallet_phat_clusters::{
    AgreedBlocks, AgreedRoots, Diverged, TransportEpochs, Withdrawals, WorkerCluster,
};
use pallet_phat_messages::Call as Reports;
use phat_cluster::Accumulator;
use phat_crypto::Keypair;
use phat_primitives::{
    BlockNumber, ClusterId, MessageNumber, WorkerId, message::TransportEpoch, report::Roots,
};
use phat_runtime::{
    Balances, ExistentialDeposit, PhalaPhatContracts, PhalaRegistry, Runtime, RuntimeCall,
    UncheckedExtrinsic,
};
use std::collections::{BTreeMap, BTreeSet};

/// Agreements of a cluster that are looked at after each block, the newest ones.
const AGREEMENTS: usize = 8;

/// What the chain has taken of one worker.
#[derive(Default)]
pub(super) struct Accepted {
    /// Number of the next report.
    pub(super) next: u64,
    /// Every payload so far, encoded.
    payloads: BTreeSet<Vec<u8>>,
}

/// What the chain says of one cluster.
struct OnChain {
    cluster: ClusterId,
    agreed: Vec<(BlockNumber, Roots)>,
    money: u128,
    withdrawals: Vec<MessageNumber>,
    transport: TransportEpoch,
}

fn read(clusters: Vec<ClusterId>) -> Vec<OnChain> {
    clusters
        .into_iter()
        .map(|cluster| OnChain {
            cluster,
            agreed: AgreedBlocks::<Runtime>::get(cluster)
                .into_iter()
                .rev()
                .take(AGREEMENTS)
                .map(|block| {
                    let roots = AgreedRoots::<Runtime>::get(cluster, block);
                    (block, roots.unwrap())
                })
                .collect(),
            money: Balances::free_balance(PhalaPhatContracts::account_of(&cluster)),
            withdrawals: Withdrawals::<Runtime>::iter_key_prefix(cluster).collect(),
            transport: TransportEpochs::<Runtime>::get(cluster),
        })
        .collect()
}

/// The invariants of the chain, after each block:
///
/// 1. Those of its pallets.
/// 2. The messages say of each worker in which cluster it is, as the state does.
/// 3. What workers have agreed on is what the cluster has really come to; nobody differs.
/// 4. All money in a cluster's account is on some account inside, or on its way out.
/// 5. A worker that is not in a cluster can derive nothing of the transport key in force.
/// 6. Of each worker, every report has the next number; and it is one that the worker has signed.
pub(super) fn chain(
    network: &Network,
    history: &History,
    accepted: &mut BTreeMap<WorkerId, Accepted>,
) {
    let clusters = history.clusters.iter().map(|cluster| cluster.id).collect();
    let look = || {
        assert_eq!(PhalaPhatContracts::do_try_state(), Ok(()));
        assert_eq!(PhalaRegistry::do_try_state(), Ok(()));
        let seats: BTreeMap<_, _> = WorkerCluster::<Runtime>::iter().collect();
        (read(clusters), seats, Diverged::<Runtime>::iter().count())
    };
    let (clusters, seats, diverged) = network.chain.inspect(look).unwrap();
    let roles = history.roles.last().unwrap();
    let told: BTreeMap<_, _> = roles
        .seats
        .iter()
        .map(|(worker, seat)| (*worker, seat.cluster))
        .collect();
    assert_eq!(told, seats, "the messages say who is where");
    assert_eq!(diverged, 0, "no worker differs");
    for on_chain in clusters {
        let cluster = history.cluster(&on_chain.cluster);
        for (block, agreed) in on_chain.agreed {
            let real = cluster.roots.get(&block);
            assert_eq!(Some(&agreed), real, "agreed on after block {block}");
        }
        if cluster.applied as usize + 1 == history.outbound.len() {
            let leaving = on_chain.withdrawals.iter();
            let leaving: u128 = leaving
                .map(|number| cluster.withdrawn(*number).unwrap())
                .sum();
            let undecided = phat_cluster::undecided(&cluster.state).unwrap();
            let undecided = undecided.iter().map(|outcome| outcome.number);
            assert_eq!(
                undecided.collect::<BTreeSet<_>>(),
                on_chain.withdrawals.iter().copied().collect(),
                "the cluster keeps what the chain has not decided"
            );
            let inside = on_chain.money - ExistentialDeposit::get();
            assert_eq!(
                inside,
                cluster.money() + leaving,
                "no money is lost or made"
            );
        }
        for ((worker, of), secrets) in &history.told {
            let outside = seats.get(worker) != Some(of);
            if outside && *of == cluster.id {
                let epoch = on_chain.transport.epoch;
                let known = secrets.iter().find(|secret| secret.at(epoch).is_some());
                assert!(known.is_none(), "{worker} is out and knows epoch {epoch}");
            }
        }
    }
    for extrinsic in network.chain.body(network.chain.height()).unwrap() {
        let extrinsic = UncheckedExtrinsic::decode(&mut &extrinsic[..]).unwrap();
        let RuntimeCall::PhalaMq(Reports::submit { signed }) = extrinsic.function else {
            continue;
        };
        let report = signed.report;
        let next = accepted.entry(report.worker).or_default();
        assert_eq!(
            report.sequence, next.next,
            "reports are taken in order, once"
        );
        next.next += 1;
        next.payloads
            .extend(report.payloads.iter().map(Encode::encode));
        let known = network.signed.get(&(report.worker, report.sequence));
        assert!(known.is_some_and(|known| known.contains(&report)));
    }
}

/// The invariants of a running worker, after each step:
///
/// 1. It has lost nothing that it had committed.
/// 2. It is in the cluster that the chain has put it in, as far as it has followed, once it was sent
///    the keys; otherwise it keeps nothing of any cluster, and serves nothing.
/// 3. Its state, after every block, is the one that the cluster has come to; and so is what it is
///    going to report.
/// 4. It has the receipt of each command, and the same as everybody.
/// 5. It holds the transport keys that it was sent and no others.
/// 6. It holds master keys only as a gatekeeper, and those that were announced.
/// 7. It serves only when the chain has said, since the start, that there is no newer block.
/// 8. It forgets nothing of what it has to report before the chain has got it.
pub(super) fn machine(
    machine: &mut Machine,
    history: &History,
    accepted: &BTreeMap<WorkerId, Accepted>,
) {
    let me = machine.id();
    let Some(running) = &machine.running else {
        return;
    };
    let records = running.store.snapshot().unwrap();
    let position = records::position(&records)
        .unwrap()
        .unwrap_or_default()
        .number;
    assert!(position >= machine.reached, "what was committed is lost");
    machine.reached = position;
    let outbox = records::outbox(&records).unwrap();
    for (counter, payload) in std::mem::take(&mut machine.outbox) {
        let waits = outbox.iter().any(|(other, _)| *other == counter);
        let arrived = || {
            let accepted = accepted.get(&me);
            accepted.is_some_and(|accepted| accepted.payloads.contains(&payload.encode()))
        };
        assert!(waits || arrived(), "{payload:?} is forgotten");
    }
    machine.outbox = outbox;
    let roles = &history.roles[position as usize];
    let membership = records::membership(&records).unwrap();
    let view = running.views.borrow().clone();
    assert_eq!(
        view.position, position,
        "what is served is what is committed"
    );
    let seat = roles.seats.get(&me);
    let Some(Seat {
        cluster,
        keyed: Some(joined),
    }) = seat.copied()
    else {
        assert!(membership.is_none() && view.member.is_none());
        let nothing = |_| -> Result<(), phat_store::ReadError> {
            panic!("a worker in no cluster keeps something of one")
        };
        records::for_snapshot(&records, 0, nothing).unwrap();
        assert_eq!(records::ready(&records).unwrap(), []);
        masters(running, history, roles.gatekeepers.contains(&me), position);
        return;
    };
    let membership = membership.unwrap();
    let member = view.member.as_ref().unwrap();
    assert_eq!(
        (membership.cluster, member.cluster.id()),
        (cluster, cluster)
    );
    assert_eq!(membership.joined, joined);
    let (applied, reference) = (membership.applied.number, history.cluster(&cluster));
    assert!(applied <= position && applied <= reference.applied);
    if let Some(roots) = reference.roots.get(&applied) {
        let accumulator = Accumulator::from_bytes(&membership.accumulator).unwrap();
        let have = Roots {
            state_root: accumulator.root(),
            receipts: membership.commitment,
        };
        assert_eq!(have, *roots, "after block {applied}");
    }
    // When it was interrupted, what is served is from before the last blocks.
    assert!(member.applied <= applied);
    if let Some(roots) = reference.roots.get(&member.applied) {
        assert_eq!(
            member.state_root, roots.state_root,
            "served is another state"
        );
    }
    for (block, roots) in member.recent.iter() {
        assert_eq!(
            Some(roots),
            reference.roots.get(block),
            "after block {block}"
        );
    }
    receipts(machine.compared, running, history, cluster, applied);
    let told = history.told.get(&(me, cluster));
    for secret in &membership.transport {
        let secret = phat_crypto::TransportSecret::from(secret);
        let known = told.into_iter().flatten();
        let mut known = known.filter_map(|known| known.at(secret.epoch()));
        assert!(known.any(|known| known == secret), "a key from nowhere");
    }
    masters(running, history, roles.gatekeepers.contains(&me), position);
    assert!(!view.is_current() || running.asked);
    machine.compared = applied;
}

/// The receipts of the blocks after `from`, up to `to`.
fn receipts(
    from: BlockNumber,
    running: &Running,
    history: &History,
    cluster: ClusterId,
    to: BlockNumber,
) {
    let records = running.store.snapshot().unwrap();
    let reference = history.cluster(&cluster);
    let real = reference.receipts.values();
    for real in real.filter(|receipt| receipt.block > from && receipt.block <= to) {
        let have = records::receipt(&records, real.number).unwrap();
        assert_eq!(have.as_ref(), Some(real));
    }
}

fn masters(running: &Running, history: &History, elected: bool, position: BlockNumber) {
    let records = running.store.snapshot().unwrap();
    let held = records::masters(&records).unwrap().unwrap_or_default();
    assert!(
        elected || held.is_empty(),
        "who is no gatekeeper has no master key"
    );
    let announced = &history.roles[position as usize].masters;
    let held: Vec<_> = held.iter().map(|seed| seed.keypair().public()).collect();
    let announced_and_held = announced.iter().zip(&held);
    for (announced, held) in announced_and_held {
        assert_eq!(announced, held);
    }
    assert!(
        held.len() <= announced.len() + 1,
        "one more can be on its way"
    );
}

/// What keeps the network from being as it should be when nothing goes wrong any more: everybody in
/// service, every worker of a cluster serving, the newest roots agreed on, nothing left to report.
pub(super) fn unsettled(
    network: &Network,
    history: &History,
    machines: &[Machine],
    registered: &BTreeMap<WorkerId, Keypair>,
) -> Vec<String> {
    let clusters = history.clusters.iter().map(|cluster| cluster.id).collect();
    let look = || {
        let silent: BTreeSet<_> = registered
            .keys()
            .filter(|worker| !PhalaRegistry::is_in_service(worker))
            .copied()
            .collect();
        (read(clusters), silent)
    };
    let (clusters, silent) = network.chain.inspect(look).unwrap();
    let mut reasons: Vec<_> = silent
        .iter()
        .map(|worker| format!("{worker} is out of service"))
        .collect();
    let seats = &history.roles.last().unwrap().seats;
    for machine in machines {
        let number = machine.number;
        let running = machine.running.as_ref().unwrap();
        let view = running.views.borrow();
        let records = running.store.snapshot().unwrap();
        let outbox = records::outbox(&records).unwrap().len();
        if outbox > 0 {
            reasons.push(format!("w{number} has {outbox} things to report"));
        }
        if !records::ready(&records).unwrap().is_empty() {
            reasons.push(format!("w{number} has statements to hand in"));
        }
        let serves = view.is_current() && view.head.number == network.chain.height();
        if seats.contains_key(&machine.id()) && !serves {
            reasons.push(format!("w{number} does not serve"));
        }
        let needs = records::needs(&records).unwrap();
        if !needs.is_empty() {
            reasons.push(format!(
                "w{number} knows of keys that were not delivered: {needs:?}"
            ));
        }
    }
    for on_chain in clusters {
        let cluster = history.cluster(&on_chain.cluster);
        let name = cluster.id.to_low_u64_be();
        if !seats.values().any(|seat| seat.cluster == cluster.id) {
            continue;
        }
        if !on_chain.withdrawals.is_empty() {
            let waiting = &on_chain.withdrawals;
            reasons.push(format!("cluster {name}: withdrawals {waiting:?} wait"));
        }
        let newest = cluster.roots.values().next_back();
        let agreed = on_chain.agreed.first().map(|(_, roots)| roots);
        if newest != agreed {
            reasons.push(format!(
                "cluster {name}: the newest roots are not agreed on"
            ));
        }
    }
    reasons
}
