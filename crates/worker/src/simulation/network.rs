//! The chain, and what lies between it and the workers: requests and answers that are lost, late,
//! doubled, out of order, or not what they should be.

use super::dice::Dice;
use crate::chain::{ChainError, Line};
use codec::{Decode, Encode};
use jsonrpsee::core::client::Error as RpcError;
use phat_follower::{Batch, BlockData};
use phat_primitives::{
    BlockNumber, Hash, WorkerId,
    report::{Report, SignedReport},
};
use phat_solo::{Blocks, Stepped};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// Answers that may come a second time, for each worker.
const REMEMBERED: usize = 4;
/// Steps after which a delayed report arrives, at most.
const LONGEST_DELAY: usize = 400;
/// Of a hundred requests, those to which something happens.
const FAULTS: usize = 25;

pub(super) struct Network {
    pub(super) chain: Stepped,
    pub(super) dice: Dice,
    /// The time that the next block will have, in milliseconds since the Unix epoch.
    pub(super) now_ms: u64,
    /// Nothing goes wrong any more.
    pub(super) calm: bool,
    /// Number of the step under way.
    pub(super) step: usize,
    /// What has happened, without anything that differs between two runs of the same seed.
    pub(super) trace: Vec<String>,
    /// How often what has happened.
    pub(super) counts: BTreeMap<&'static str, usize>,
    /// Transactions on their way, each with the step in which it arrives.
    under_way: Vec<(usize, Vec<u8>)>,
    /// Earlier answers to each worker.
    answers: BTreeMap<usize, Vec<Blocks>>,
    /// What each worker has signed under each number.
    pub(super) signed: BTreeMap<(WorkerId, u64), Vec<Report>>,
}

impl Network {
    pub(super) fn new(chain: Stepped, dice: Dice, now_ms: u64) -> Self {
        Self {
            chain,
            dice,
            now_ms,
            calm: false,
            step: 0,
            trace: Vec::new(),
            counts: BTreeMap::new(),
            under_way: Vec::new(),
            answers: BTreeMap::new(),
            signed: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, what: String) {
        self.trace.push(format!("{:5} {what}", self.step));
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn goes_wrong(&mut self) -> bool {
        let wrong = !self.calm && self.dice.percent(FAULTS);
        if wrong {
            self.count("faults");
        }
        wrong
    }

    /// Lets arrive what has been on its way long enough.
    pub(super) fn deliver(&mut self) {
        let now = if self.calm { usize::MAX } else { self.step };
        let (arrived, rest) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|(due, _)| *due <= now);
        self.under_way = rest;
        let arrived: Vec<(usize, Vec<u8>)> = arrived;
        for (_, extrinsic) in arrived {
            // What comes too late is refused, and nobody waits for the answer.
            let taken = self.chain.submit(&extrinsic).is_ok();
            self.note(format!("a delayed report arrives, taken: {taken}"));
        }
    }

    /// What a chain would answer, or a host that lies in between.
    fn blocks(&mut self, worker: usize, first: BlockNumber, max: u32) -> Option<Blocks> {
        let dice = &mut self.dice;
        let max = if self.calm {
            max
        } else {
            max.min(1 + dice.below(40) as u32)
        };
        let mut answer = self.chain.blocks(first, max).unwrap();
        if self.goes_wrong() {
            let fault = self.dice.below(8);
            self.note(format!("w{worker} blocks from {first}: fault {fault}"));
            let dice = &mut self.dice;
            let count = answer.blocks.len();
            match fault {
                0 => return None,
                // Late: as if there were no newer block.
                1 => answer.blocks.clear(),
                // An answer that came before.
                2 => {
                    let earlier = self.answers.get(&worker).cloned().unwrap_or_default();
                    answer = dice.pick(&earlier).unwrap_or(answer);
                }
                // Out of order.
                3 if count > 1 => answer.blocks.swap(dice.below(count), count - 1),
                // One is missing.
                4 if count > 0 => drop(answer.blocks.remove(dice.below(count))),
                // The proof is of another block.
                5 if count > 1 => drop(answer.blocks.pop()),
                6 => answer.justification = None,
                _ if count > 0 => {
                    let index = dice.below(count);
                    let (header, outbound) = &mut answer.blocks[index];
                    let bytes = if dice.percent(50) { header } else { outbound };
                    flip(bytes, dice);
                }
                _ => {}
            }
        } else {
            let earlier = self.answers.entry(worker).or_default();
            earlier.push(answer.clone());
            earlier.drain(..earlier.len().saturating_sub(REMEMBERED));
        }
        Some(answer)
    }

    fn proof(&mut self, worker: usize, keys: &[Vec<u8>], at: &Hash) -> Option<Vec<Vec<u8>>> {
        let mut nodes = self.chain.prove(keys, *at).ok()?;
        if self.goes_wrong() {
            let fault = self.dice.below(4);
            self.note(format!("w{worker} proof: fault {fault}"));
            let index = self.dice.below(nodes.len());
            match fault {
                0 => return None,
                1 => drop(nodes.remove(index)),
                2 => nodes = self.chain.prove(keys, self.chain.genesis_hash()).ok()?,
                _ => flip(&mut nodes[index], &mut self.dice),
            }
        }
        Some(nodes)
    }

    fn submit(&mut self, worker: usize, wrapper: &str, signed: &[u8]) -> Option<()> {
        if let Ok(SignedReport { report, .. }) = SignedReport::decode(&mut &signed[..])
            && wrapper.contains("report_extrinsic")
        {
            let number = report.sequence;
            let same = self.signed.entry((report.worker, number)).or_default();
            if !same.contains(&report) {
                same.push(report);
            }
            self.note(format!("w{worker} reports {number}"));
        }
        let wrapped = self.chain.call(wrapper, &Raw(signed)).unwrap();
        let extrinsic = Vec::<u8>::decode(&mut &wrapped[..]).unwrap();
        if !self.goes_wrong() {
            return self.chain.submit(&extrinsic).ok().map(drop);
        }
        let fault = self.dice.below(6);
        self.note(format!("w{worker} submits: fault {fault}"));
        let due = self.step + 1 + self.dice.below(LONGEST_DELAY);
        match fault {
            // Lost, and the worker knows or does not know.
            0 => None,
            1 => Some(()),
            // The answer is lost.
            2 => self.chain.submit(&extrinsic).ok().and(None),
            // Late; the worker thinks it has arrived, or that it never will.
            3 => {
                self.under_way.push((due, extrinsic));
                Some(())
            }
            4 => {
                self.under_way.push((due, extrinsic));
                None
            }
            // Twice, once late.
            _ => {
                let taken = self.chain.submit(&extrinsic).ok().map(drop);
                self.under_way.push((due, extrinsic));
                taken
            }
        }
    }
}

/// Bytes that are encoded already.
struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
    fn encode_to<T: codec::Output + ?Sized>(&self, dest: &mut T) {
        dest.write(self.0);
    }
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let bit = dice.below(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// The line of one worker to the chain.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) network: Rc<RefCell<Network>>,
    pub(super) worker: usize,
}

fn silent() -> ChainError {
    ChainError::Rpc {
        url: "simulated".into(),
        source: RpcError::RequestTimeout,
    }
}

impl Line for Wire {
    async fn blocks(
        &self,
        first: BlockNumber,
        max: u32,
    ) -> Result<Option<(Batch, BlockNumber)>, ChainError> {
        let mut network = self.network.borrow_mut();
        let answer = network.blocks(self.worker, first, max).ok_or_else(silent)?;
        let block = |(header, outbound)| BlockData { header, outbound };
        let batch = Batch {
            blocks: answer.blocks.into_iter().map(block).collect(),
            justification: answer.justification.unwrap_or_default(),
        };
        Ok((!batch.blocks.is_empty()).then_some((batch, answer.finalized)))
    }

    async fn read_proof(&self, keys: &[Vec<u8>], at: &Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        let mut network = self.network.borrow_mut();
        network.proof(self.worker, keys, at).ok_or_else(silent)
    }

    async fn submit<T: Encode + Sync>(&self, wrapper: &str, signed: &T) -> Result<(), ChainError> {
        let mut network = self.network.borrow_mut();
        let signed = signed.encode();
        network
            .submit(self.worker, wrapper, &signed)
            .ok_or_else(silent)
    }
}
