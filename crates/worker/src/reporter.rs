//! Tells the chain what the worker has to report: what stands in the outbox, statements about
//! contracts, a heartbeat for every block that has changed the state or the receipts, what is spent of
//! credits, and new evidence in time. What the chain has taken of the heartbeats it shows in the worker's record there, which is
//! read with a proof.
//!
//! A report is signed anew for each attempt with the number that the chain expects next, read with a
//! storage proof at the last block followed. So a worker whose disk was put back to an older copy
//! uses no number that was used before. An entry leaves the outbox when the chain has taken the very
//! report that it was in: another one of the same number may have been on its way when the worker was
//! stopped. Should the worker stop in between, an entry is reported twice, which changes nothing.
//!
//! Evidence goes first, and alone. While the worker is out of service it reports nothing else: what it has to say
//! might be refused, and would then be crossed off.

use crate::{
    attest::{AttestError, Witness, latest},
    chain::{ChainError, Line},
    node::{MemberView, View},
    purse::Purse,
    records::{self, RecordError, Statement},
    renewal::{Renewal, ServiceTime, Standing},
};
use codec::{Decode, Encode};
use phat_attestation::Evidence;
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_follower::{ProofError, read_proof};
use phat_primitives::{
    BlockNumber, Hash,
    credit::CreditReport,
    limits::{MAX_PENDING_WITHDRAWALS, MAX_REPORT_HEARTBEATS, MAX_REPORT_PAYLOADS},
    report::{Heartbeat, Payload, Report, SignedReport, WorkerState},
    storage::{
        contract_key_key, in_service_key, last_report_key, next_report_key, worker_key,
        worker_state_key,
    },
};
use phat_store::{CommitError, Store};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

/// How often a worker that stops looks whether there is a block with its last word.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// The chain's function that makes a transaction of a report.
const REPORT_EXTRINSIC: &str = "WorkerApi_report_extrinsic";
/// Blocks after which a report that is not on the chain is sent again.
const RESEND_AFTER: BlockNumber = 3;
/// How often the chain is told before the next block that somebody waits for a credit: anybody may claim
/// to have one.
const PRESS_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Statements about contracts that are handled at once: bounds the proof that is asked for.
const STATEMENTS_PER_ROUND: usize = 64;

/// Why nothing could be reported. The next block is the next attempt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the chain's answer is not proven: {0}")]
    Proof(#[from] ProofError),
    #[error("what the chain has under {0} cannot be decoded")]
    Undecodable(&'static str),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the worker's data cannot be written: {0}")]
    Commit(#[from] CommitError),
}

impl ReportError {
    /// Whether the chain has answered what cannot be true. Its operator should know, since no later
    /// block mends it.
    pub(crate) fn is_lie(&self) -> bool {
        match self {
            Self::Proof(_) | Self::Undecodable(_) | Self::Chain(ChainError::Malformed(_)) => true,
            Self::Chain(ChainError::Rpc { .. }) | Self::Record(_) | Self::Commit(_) => false,
        }
    }
}

/// A report on its way.
struct Sent {
    /// The very bytes: another report of the same number would be refused while this one waits, and
    /// what arrives must be what is crossed off.
    signed: SignedReport,
    /// Counters of the outbox entries in it.
    entries: Vec<u64>,
    /// It has new evidence; with when the worker came into service before it.
    renewal: Option<Option<u64>>,
    /// What it says of credits.
    credit: Option<CreditReport>,
    at: BlockNumber,
}

impl Sent {
    /// Whether a report that says this of credits may be sent in its place. Evidence is alone in its
    /// report.
    fn may_give_way_to(&self, credit: &CreditReport) -> bool {
        let others = self.signed.report.payloads.len() - usize::from(self.credit.is_some());
        self.credit.as_ref() != Some(credit)
            && self.renewal.is_none()
            && others < MAX_REPORT_PAYLOADS as usize
    }
}

/// The first entries of the outbox, as many as a report takes.
fn first_that_fit(outbox: Vec<(u64, Payload)>) -> Vec<(u64, Payload)> {
    let (mut heartbeats, mut withdrawals) = (0, 0);
    outbox
        .into_iter()
        .take(MAX_REPORT_PAYLOADS as usize)
        .take_while(|(_, payload)| {
            if let Payload::Heartbeat(heartbeat) = payload {
                heartbeats += 1;
                withdrawals += heartbeat.withdrawals.len();
            }
            heartbeats <= MAX_REPORT_HEARTBEATS as usize
                && withdrawals <= MAX_PENDING_WITHDRAWALS as usize
        })
        .collect()
}

/// Adds as many heartbeats as there is room for, the newest ones.
fn add_newest(payloads: &mut Vec<Payload>, heartbeats: Vec<Heartbeat>) {
    let present = payloads
        .iter()
        .filter(|payload| matches!(payload, Payload::Heartbeat(_)))
        .count();
    let room = (MAX_REPORT_HEARTBEATS as usize)
        .saturating_sub(present)
        .min((MAX_REPORT_PAYLOADS as usize).saturating_sub(payloads.len()));
    let surplus = heartbeats.len().saturating_sub(room);
    payloads.extend(heartbeats.into_iter().skip(surplus).map(Payload::Heartbeat));
}

fn decode<T: Decode>(
    value: &Option<Vec<u8>>,
    name: &'static str,
) -> Result<Option<T>, ReportError> {
    value
        .as_ref()
        .map(|bytes| T::decode(&mut &bytes[..]).map_err(|_| ReportError::Undecodable(name)))
        .transpose()
}

/// Heartbeats for the blocks after the last one of which the chain has this worker's word.
fn unreported(member: &MemberView, known: Option<WorkerState>) -> Vec<Heartbeat> {
    let cluster = member.cluster.id();
    let known = known.filter(|state| state.cluster == cluster);
    let recent = member.recent.iter();
    recent
        .filter(|(block, _)| known.is_none_or(|state| *block > state.block))
        .map(|(block, roots)| Heartbeat::new(cluster, *block, *roots, Vec::new()))
        .collect()
}

/// Reports for one worker.
pub(crate) struct Reporter {
    identity: Keypair,
    store: Store,
    witness: Arc<Witness>,
    renewal: Renewal,
    /// New evidence on its way. It may take seconds, for which reports do not wait.
    purse: Arc<Purse>,
    /// When the chain was told last that somebody waits for a credit.
    pressed: Option<Instant>,
    making: Option<JoinHandle<Result<Evidence, AttestError>>>,
    /// New evidence, or why there is none.
    made: Option<Result<Evidence, AttestError>>,
    /// Told how the worker stands with the chain.
    standing: watch::Sender<Standing>,
    sent: Option<Sent>,
    /// The last block of which the chain has this worker's word, and in which membership.
    known: Option<(BlockNumber, BlockNumber)>,
    /// Statements that were submitted, and not yet seen on the chain; with the block of the attempt.
    submitted: BTreeSet<Hash>,
    submitted_at: BlockNumber,
}

impl Reporter {
    pub(crate) fn new(
        identity: Keypair,
        store: Store,
        witness: Arc<Witness>,
        purse: Arc<Purse>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        Self {
            identity,
            store,
            renewal: Renewal::new(&witness.worker),
            witness,
            purse,
            pressed: None,
            making: None,
            made: None,
            standing,
            sent: None,
            known: None,
            submitted: BTreeSet::new(),
            submitted_at: 0,
        }
    }

    /// Does what is to be done after a block.
    pub(crate) async fn on_view(
        &mut self,
        chain: &impl Line,
        view: &View,
    ) -> Result<(), ReportError> {
        // Neither may hold up the other.
        let stated = self.statements(chain, view).await;
        self.report(chain, view).await?;
        stated
    }

    /// The value under `key` after the last block followed, proven.
    async fn read(
        &self,
        chain: &impl Line,
        view: &View,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<u8>>>, ReportError> {
        let proof = chain.read_proof(keys, &view.head.hash).await?;
        Ok(read_proof(view.head.state_root, proof, keys)?)
    }

    /// What waits to be reported, as it is now: the view may be older.
    fn outbox(&self) -> Result<Vec<(u64, Payload)>, RecordError> {
        records::outbox(&self.store.snapshot()?)
    }

    async fn report(&mut self, chain: &impl Line, view: &View) -> Result<(), ReportError> {
        let mut outbox = self.outbox()?;
        let member = view.member.as_ref().filter(|_| view.is_current());
        let newest = member
            .and_then(|member| Some((member.joined, member.recent.last().map(|last| last.0)?)));
        let told = newest.is_none() || newest == self.known;
        let now_ms = latest(view.now_ms);
        let mut credit = self.purse.report();
        let idle = self.sent.is_none() && self.made.is_none() && credit.is_none();
        let look = self.renewal.wants_to_look(view.head.number, now_ms);
        if outbox.is_empty() && told && idle && !look {
            return Ok(());
        }
        let (next, last, state) = self.look(chain, view).await?;
        if !self.renewal.registered() {
            // The chain takes no report of a stranger.
            return Ok(());
        }
        let mut heartbeats = member
            .map(|member| unreported(member, state))
            .unwrap_or_default();
        if heartbeats.is_empty() {
            self.known = newest;
        }
        if let Some(sent) = self.sent.take() {
            let sequence = sent.signed.report.sequence;
            if sequence.checked_add(1) == Some(next) && last == Some(sent.signed.report.hash()) {
                self.arrived(sent, now_ms)?;
                outbox = self.outbox()?;
                credit = self.purse.report();
            } else if sequence == next {
                let due = view.head.number >= sent.at.saturating_add(RESEND_AFTER);
                if let Some(credit) = credit.take_if(|credit| sent.may_give_way_to(credit)) {
                    return self.replace(chain, view, sent, credit).await;
                }
                let signed = sent.signed.clone();
                self.sent = Some(Sent {
                    at: if due { view.head.number } else { sent.at },
                    ..sent
                });
                return match due {
                    true => Ok(chain.submit(REPORT_EXTRINSIC, &signed).await?),
                    false => Ok(()),
                };
            }
            // Or another report of this number was taken: one from before the worker was stopped, or one
            // that this was to replace; or the chain is behind what it was. In all these cases what this
            // one says is still to be said.
        }
        let evidence = self.new_evidence(now_ms);
        // It comes alone; and out of service, the chain takes nothing else.
        if evidence.is_some() || !self.renewal.in_service() {
            outbox.clear();
            heartbeats.clear();
            credit = None;
        }
        let renewal = evidence.is_some().then(|| self.renewal.since_ms());
        let room = MAX_REPORT_PAYLOADS as usize - usize::from(credit.is_some());
        let fitting = first_that_fit(outbox).into_iter().take(room);
        let (entries, rest): (Vec<_>, Vec<_>) = fitting.unzip();
        let mut payloads: Vec<_> = evidence.into_iter().map(Payload::Evidence).collect();
        payloads.extend(rest);
        payloads.extend(credit.clone().map(Payload::Credit));
        add_newest(&mut payloads, heartbeats);
        if payloads.is_empty() {
            return Ok(());
        }
        let signed = self.sign(next, payloads);
        chain.submit(REPORT_EXTRINSIC, &signed).await?;
        self.sent = Some(Sent {
            signed,
            entries,
            renewal,
            credit,
            at: view.head.number,
        });
        Ok(())
    }

    fn sign(&self, sequence: u64, payloads: Vec<Payload>) -> SignedReport {
        let report = Report {
            genesis: self.witness.genesis,
            worker: self.witness.worker,
            sequence,
            payloads,
        };
        let signature = self
            .identity
            .sign(contexts::REPORT, &report.encode(), &mut OsRng);
        SignedReport { report, signature }
    }

    /// Sends a report that says more of credits in the place of one that waits. The chain takes it if it
    /// is worth a block and the other one was not.
    async fn replace(
        &mut self,
        chain: &impl Line,
        view: &View,
        sent: Sent,
        credit: CreditReport,
    ) -> Result<(), ReportError> {
        let Report {
            sequence, payloads, ..
        } = &sent.signed.report;
        let others = payloads.iter();
        let others = others.filter(|payload| !matches!(payload, Payload::Credit(_)));
        let mut payloads: Vec<_> = others.cloned().collect();
        payloads.push(Payload::Credit(credit.clone()));
        let signed = self.sign(*sequence, payloads);
        match chain.submit(REPORT_EXTRINSIC, &signed).await {
            Ok(()) => {
                self.sent = Some(Sent {
                    signed,
                    credit: Some(credit),
                    at: view.head.number,
                    ..sent
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a report waits in its turn");
                self.sent = Some(sent);
            }
        }
        Ok(())
    }

    /// Tells the chain what is left of credits, so that their owners get it back. The worker serves
    /// nobody from here on.
    pub(crate) async fn last_word(
        &mut self,
        chain: &impl Line,
        view: &View,
    ) -> Result<(), ReportError> {
        self.purse.close_all();
        let has_word = self.purse.report().is_some();
        self.report(chain, view).await?;
        // A chain that stops together with the worker must have it in a block by then.
        let next = view.head.number.saturating_add(1);
        while has_word && chain.blocks(next, 1).await?.is_none() {
            sleep(LOOK_AGAIN_AFTER).await;
        }
        Ok(())
    }

    /// Asks the chain, with a proof, how the worker stands, for the number of its next report, for the
    /// hash of the last one, and for the last state that it has got from the worker.
    async fn look(
        &mut self,
        chain: &impl Line,
        view: &View,
    ) -> Result<(u64, Option<Hash>, Option<WorkerState>), ReportError> {
        let worker = self.witness.worker;
        let keys = [
            next_report_key(&worker),
            last_report_key(&worker),
            worker_key(&worker),
            in_service_key(&worker),
            worker_state_key(&worker),
        ];
        let values = self.read(chain, view, &keys).await?;
        let [next, last, known, service, state] = values.as_slice() else {
            return Err(ReportError::Undecodable("what was asked for"));
        };
        let next = decode(next, "the number of the next report")?.unwrap_or_default();
        let last = decode(last, "the hash of the last report")?;
        let service = decode::<ServiceTime>(service, "the worker's time of service")?;
        let state = decode(state, "the worker's last state")?;
        self.renewal.saw(view.head.number, known.is_some(), service);
        self.tell();
        Ok((next, last, state))
    }

    /// Tells others how the worker stands, if that has changed.
    fn tell(&self) {
        let standing = self.renewal.standing();
        self.standing.send_if_modified(|told| {
            let changed = *told != standing;
            *told = standing;
            changed
        });
    }

    /// New evidence, encoded, if it is ready. Has it made when it is time.
    fn new_evidence(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        match self.made.take() {
            Some(Ok(evidence)) => return Some(evidence.encode()),
            Some(Err(error)) => {
                self.renewal.failed(now_ms, error.to_string());
                self.tell();
            }
            None if self.making.is_none() && self.renewal.is_due(now_ms) => {
                let witness = self.witness.clone();
                self.making = Some(tokio::spawn(async move { witness.evidence().await }));
            }
            None => {}
        }
        None
    }

    /// Ends when there is something to report before the next block: new evidence, or something about
    /// credits that somebody waits for, at most once in [`PRESS_AGAIN_AFTER`].
    pub(crate) async fn has_news(&mut self) {
        let (purse, pressed) = (self.purse.clone(), self.pressed);
        let pressing = async {
            purse.is_pressing().await;
            if let Some(pressed) = pressed {
                sleep_until(pressed + PRESS_AGAIN_AFTER).await;
            }
        };
        let is_pressing = tokio::select! {
            () = self.evidence_is_made() => false,
            () = pressing => true,
        };
        if is_pressing {
            self.pressed = Some(Instant::now());
        }
    }

    /// Ends when evidence that is being made is there, or cannot be had: then there is something to
    /// report. Never ends if none is being made.
    async fn evidence_is_made(&mut self) {
        let Some(making) = &mut self.making else {
            return std::future::pending().await;
        };
        let made = making.await.unwrap_or(Err(AttestError::Failed));
        self.making = None;
        self.made = Some(made);
    }

    fn arrived(&mut self, sent: Sent, now_ms: u64) -> Result<(), ReportError> {
        let mut writes = self.store.batch();
        for counter in sent.entries {
            records::delete_outbox(&mut writes, counter);
        }
        writes.commit()?;
        if let Some(credit) = sent.credit {
            self.purse.told(&credit);
        }
        if let Some(before) = sent.renewal {
            match self.renewal.since_ms() {
                since if since.is_some() && since != before => self.renewal.succeeded(now_ms),
                _ => {
                    let reason = "the chain has refused it: its event PayloadRefused says why";
                    self.renewal.failed(now_ms, reason.into());
                }
            }
            self.tell();
        }
        Ok(())
    }

    /// Hands the cluster's statements about new contracts to the chain. All workers of the cluster
    /// do; the first one counts.
    async fn statements(&mut self, chain: &impl Line, view: &View) -> Result<(), ReportError> {
        let mut waiting = records::ready(&view.snapshot)?;
        if waiting.is_empty() || !view.is_current() {
            return Ok(());
        }
        waiting.truncate(STATEMENTS_PER_ROUND);
        let keys: Vec<_> = waiting
            .iter()
            .map(|statement| contract_key_key(&statement.contract()))
            .collect();
        let published = self.read(chain, view, &keys).await?;
        let mut writes = self.store.batch();
        let mut missing: Vec<&Statement> = Vec::new();
        for (statement, published) in waiting.iter().zip(published) {
            if published.is_some() {
                records::delete_ready(&mut writes, statement);
                self.submitted.remove(&statement.contract());
            } else {
                missing.push(statement);
            }
        }
        writes.commit()?;
        if view.head.number >= self.submitted_at.saturating_add(RESEND_AFTER) {
            self.submitted.clear();
        }
        for statement in missing {
            if !self.submitted.insert(statement.contract()) {
                continue;
            }
            self.submitted_at = view.head.number;
            let submitted = match statement {
                Statement::Public(signed) => {
                    let wrapper = "WorkerApi_contract_ready_extrinsic";
                    chain.submit(wrapper, signed).await
                }
                Statement::Private(signed) => {
                    let wrapper = "WorkerApi_private_contract_ready_extrinsic";
                    chain.submit(wrapper, signed).await
                }
            };
            if let Err(error) = submitted {
                // Another worker was faster, or the chain does not know the cluster's key yet.
                tracing::debug!(%error, "a contract's statement was not taken");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_primitives::report::WithdrawalOutcome;

    fn heartbeat(withdrawals: u64) -> Payload {
        Payload::Heartbeat(Heartbeat {
            cluster: Hash::zero(),
            block: 1,
            state_root: Hash::zero(),
            receipts: Hash::zero(),
            withdrawals: (0..withdrawals)
                .map(|number| WithdrawalOutcome { number, amount: 1 })
                .collect(),
        })
    }

    fn chosen(outbox: Vec<Payload>) -> usize {
        first_that_fit((0..).zip(outbox).collect()).len()
    }

    #[test]
    fn a_report_never_holds_more_than_the_chain_takes() {
        let limit = u64::from(MAX_PENDING_WITHDRAWALS);
        assert_eq!(chosen(vec![heartbeat(limit), heartbeat(1)]), 1);
        assert_eq!(
            chosen(vec![heartbeat(limit - 1), heartbeat(1), heartbeat(1)]),
            2
        );
        assert_eq!(
            chosen(vec![heartbeat(1); 100]),
            MAX_REPORT_HEARTBEATS as usize
        );
        let keys = vec![
            Payload::MasterKey {
                generation: 0,
                public: [0; 32]
            };
            100
        ];
        assert_eq!(chosen(keys), MAX_REPORT_PAYLOADS as usize);
        assert_eq!(chosen(Vec::new()), 0);
    }

    #[test]
    fn the_newest_heartbeats_fill_the_room_that_is_left() {
        let recent = |count: u32| {
            let heartbeat = |block| match heartbeat(0) {
                Payload::Heartbeat(heartbeat) => Heartbeat { block, ..heartbeat },
                other => panic!("{other:?}"),
            };
            (0..count).map(heartbeat).collect::<Vec<_>>()
        };
        let blocks = |present: Vec<Payload>, count| {
            let before = present.len();
            let mut payloads = present;
            add_newest(&mut payloads, recent(count));
            payloads[before..]
                .iter()
                .map(|payload| match payload {
                    Payload::Heartbeat(heartbeat) => heartbeat.block,
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        let limit = MAX_REPORT_HEARTBEATS;
        assert_eq!(blocks(vec![], 2), [0, 1]);
        assert_eq!(
            blocks(vec![heartbeat(1)], limit),
            (1..limit).collect::<Vec<_>>()
        );
        assert_eq!(blocks(vec![heartbeat(1); limit as usize], 3), [0; 0]);
        let keys = vec![
            Payload::MasterKey {
                generation: 0,
                public: [0; 32]
            };
            MAX_REPORT_PAYLOADS as usize - 1
        ];
        assert_eq!(blocks(keys, 3), [2]);
    }
}
