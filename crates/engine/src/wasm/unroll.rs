//! Repeats the bodies of short innermost loops, so that the compiled loop looks less often whether
//! gas is left: the check is at the head of a loop.
//!
//! ```text
//! loop L         block X
//!   body           loop L
//! end                block N  body  br X  end     ;; a branch to L is one to N
//!                    block N  body  br X  end
//!                    body                         ;; a branch to L stays one
//!                  end
//!                end
//! ```
//!
//! Branches out of the loop pass the new labels. What is run and in which order stays as it is.

use std::ops::Range;

use wasm_encoder::{Encode, Instruction};
use wasmparser::{BlockType, Operator};

/// Bytes that the copies of a body fill, more or less. In longer loops the check does not show.
const FILLED: usize = 320;
/// The most copies of a body. More gain nothing.
const MOST_COPIES: usize = 8;
/// What the bodies of a module may grow by, in bytes: compilation takes time in proportion.
pub(super) const BYTES_PER_MODULE: usize = 128 * 1024;

/// A branch, or a return, with where it stands.
#[derive(Debug)]
struct Branch {
    place: Range<usize>,
    /// Open control structures, the function itself among them.
    height: u32,
    jump: Jump,
}

#[derive(Debug)]
enum Jump {
    Always(u32),
    If(u32),
    Table(Vec<u32>, u32),
    Return,
}

#[derive(Debug)]
struct Loop {
    /// The operator that opens it, with its type.
    head: Range<usize>,
    /// From behind the head to the `end`.
    body: Range<usize>,
    /// Open control structures in the body.
    height: u32,
    operators: u32,
    /// Whether it is of the kind that is repeated.
    suits: bool,
}

impl Loop {
    /// How often the body stands in the loop.
    fn copies(&self) -> usize {
        (FILLED / self.body.len().max(1)).clamp(1, MOST_COPIES)
    }
}

/// What a function's operators tell about its loops.
#[derive(Debug, Default)]
pub(super) struct Loops {
    branches: Vec<Branch>,
    /// Whether each open control structure is a loop.
    open: Vec<bool>,
    open_loops: Vec<Loop>,
    innermost: Vec<Loop>,
    operators: u32,
}

impl Loops {
    /// Notes an operator, with its place and the number of control structures that are open before it.
    pub(super) fn before(&mut self, operator: &Operator<'_>, place: Range<usize>, height: u32) {
        self.operators = self.operators.saturating_add(1);
        let jump = match operator {
            Operator::Block { .. } | Operator::If { .. } => {
                self.open.push(false);
                return;
            }
            Operator::Loop { blockty } => {
                self.innermost_does_not_suit();
                self.open.push(true);
                self.open_loops.push(Loop {
                    body: place.end..place.end,
                    head: place,
                    height: height + 1,
                    operators: self.operators,
                    // One that takes values is not repeated.
                    suits: !matches!(blockty, BlockType::FuncType(_)),
                });
                return;
            }
            Operator::End => {
                if self.open.pop() == Some(true)
                    && let Some(mut closed) = self.open_loops.pop()
                {
                    closed.body.end = place.start;
                    closed.operators = self.operators - closed.operators;
                    if closed.suits && closed.copies() > 1 {
                        self.innermost.push(closed);
                    }
                }
                return;
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                // Gas is written back at calls anyway.
                self.innermost_does_not_suit();
                return;
            }
            Operator::Br { relative_depth } => Jump::Always(*relative_depth),
            Operator::BrIf { relative_depth } => Jump::If(*relative_depth),
            Operator::BrTable { targets } => Jump::Table(
                targets.targets().filter_map(Result::ok).collect(),
                targets.default(),
            ),
            Operator::Return => Jump::Return,
            _ => return,
        };
        self.branches.push(Branch {
            place,
            height,
            jump,
        });
    }

    /// The loops around it were told already, when it began.
    fn innermost_does_not_suit(&mut self) {
        if let Some(innermost) = self.open_loops.last_mut() {
            innermost.suits = false;
        }
    }

    /// Takes as many loops as `budget` has room for, and takes them from it.
    pub(super) fn choose(mut self, budget: &mut usize) -> Self {
        self.innermost.retain(|found| {
            let grows = found.body.len() * (found.copies() - 1);
            let fits = grows <= *budget;
            *budget -= if fits { grows } else { 0 };
            fits
        });
        self
    }

    /// Operators that repeating adds.
    pub(super) fn added_operators(&self) -> u32 {
        let added = self.innermost.iter().map(|found| {
            let copies = found.copies() as u32 - 1;
            found.operators.saturating_mul(copies)
        });
        added.fold(0, u32::saturating_add)
    }
}

/// What becomes of returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    Stay,
    /// They become branches to the outermost label.
    Branch,
}

/// A function's operators.
pub(super) struct Body<'a> {
    pub(super) wasm: &'a [u8],
    pub(super) range: Range<usize>,
    pub(super) loops: &'a Loops,
}

/// Labels that are put between what stands in a loop and what is around it.
#[derive(Clone, Copy)]
struct Shift {
    /// Open control structures in the loop's body.
    height: u32,
    labels: u32,
}

impl Body<'_> {
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.wasm.get(range).unwrap_or_default()
    }

    /// Writes the operators with their loops repeated.
    pub(super) fn write(&self, returns: Returns, out: &mut Vec<u8>) {
        let mut position = self.range.start;
        for found in &self.loops.innermost {
            self.copy(position..found.head.start, None, returns, out);
            self.repeat(found, returns, out);
            position = found.body.end;
        }
        self.copy(position..self.range.end, None, returns, out);
    }

    /// Writes a loop without the `end` it had.
    fn repeat(&self, found: &Loop, returns: Returns, out: &mut Vec<u8>) {
        const BLOCK: u8 = 0x02;
        let head = self.bytes(found.head.clone());
        // The outer block has the loop's type, which is behind the first byte.
        out.push(BLOCK);
        out.extend_from_slice(head.get(1..).unwrap_or_default());
        out.extend_from_slice(head);
        for _ in 1..found.copies() {
            Instruction::Block(wasm_encoder::BlockType::Empty).encode(out);
            let shift = Shift {
                height: found.height,
                labels: 2,
            };
            self.copy(found.body.clone(), Some(shift), returns, out);
            Instruction::Br(2).encode(out);
            Instruction::End.encode(out);
        }
        let shift = Shift {
            height: found.height,
            labels: 1,
        };
        self.copy(found.body.clone(), Some(shift), returns, out);
        Instruction::End.encode(out);
    }

    /// Copies operators; branches over `shift` become longer.
    fn copy(&self, range: Range<usize>, shift: Option<Shift>, returns: Returns, out: &mut Vec<u8>) {
        let branches = &self.loops.branches;
        let first = branches.partition_point(|branch| branch.place.start < range.start);
        let mut position = range.start;
        for branch in branches.iter().skip(first) {
            if branch.place.start >= range.end {
                break;
            }
            out.extend_from_slice(self.bytes(position..branch.place.start));
            position = branch.place.end;
            let depth = |depth: u32| match shift {
                Some(shift) if depth > branch.height - shift.height => depth + shift.labels,
                _ => depth,
            };
            match &branch.jump {
                Jump::Always(to) => Instruction::Br(depth(*to)).encode(out),
                Jump::If(to) => Instruction::BrIf(depth(*to)).encode(out),
                Jump::Table(targets, default) => {
                    let targets: Vec<u32> = targets.iter().map(|to| depth(*to)).collect();
                    Instruction::BrTable(targets.into(), depth(*default)).encode(out);
                }
                Jump::Return if returns == Returns::Stay => Instruction::Return.encode(out),
                // The body's own label is the outermost one.
                Jump::Return => {
                    Instruction::Br(depth(branch.height.saturating_sub(1))).encode(out);
                }
            }
        }
        out.extend_from_slice(self.bytes(position..range.end));
    }
}
