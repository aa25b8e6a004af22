//! Counts the Wasm stack, so that exhaustion happens at the same call on every machine.
//!
//! A native stack limit counts bytes, which differ between processors and compiler versions. Here
//! every function that calls others adds what it needs to a global when it begins, traps if the sum
//! exceeds the limit, and subtracts it when it returns:
//!
//! ```text
//! stack += cost; if stack > limit { unreachable }
//! block            ;; the original body; `return` becomes a branch out of it
//!   …
//! end
//! stack -= cost
//! ```
//!
//! Branches keep their depths, because the new block stands where the function's own label stood.

use wasm_encoder::{Encode, Instruction};
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, ValidatorResources,
};

use super::{
    Rejection,
    unroll::{Body, Loops, Returns},
};
use crate::config::{Limits, STACK_UNITS, STACK_UNITS_PER_FRAME};

/// What a function that calls nothing may cost without being counted: the native stack has room
/// for one of these beyond what is counted.
const UNCOUNTED: u32 = STACK_UNITS / 16;

/// What makes compilation slow: a few hundred kilobytes of it can take the compiler minutes.
#[derive(Default)]
struct Compilation {
    /// Targets of branch tables.
    targets: u32,
    /// The open control structures, and whether each is a loop.
    open: Vec<bool>,
    loops: u32,
    deepest: u32,
}

impl Compilation {
    fn open_loop(&mut self) {
        self.open.push(true);
        self.loops += 1;
        self.deepest = self.deepest.max(self.loops);
    }

    fn close(&mut self) {
        if self.open.pop() == Some(true) {
            self.loops -= 1;
        }
    }

    fn check(&self, locals: u32, offset: usize, limits: &Limits) -> Result<(), Rejection> {
        for (what, found, limit) in [
            (
                "targets of branch tables",
                self.targets,
                limits.branch_targets,
            ),
            ("nesting of loops", self.deepest, limits.loop_nesting),
            (
                "locals of a function times its nesting of loops",
                self.deepest.saturating_mul(locals),
                limits.loop_values,
            ),
        ] {
            if found > limit {
                return Err(Rejection::limit(what, found.into(), limit.into(), offset));
            }
        }
        Ok(())
    }
}

/// What a function takes and gives.
pub(super) struct Signature {
    /// Number of parameters.
    pub(super) parameters: u32,
    /// The encoded block type of its results.
    pub(super) results: Vec<u8>,
}

/// Validates one function and returns its new body. Repeating loops takes from `unrolling`.
pub(super) fn instrument(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    wasm: &[u8],
    signature: &Signature,
    stack_global: u32,
    unrolling: &mut usize,
    limits: &Limits,
) -> Result<Vec<u8>, Rejection> {
    let range = body.range();
    if range.len() > limits.function_bytes {
        return Err(Rejection::limit(
            "bytes of a function",
            range.len() as u64,
            limits.function_bytes as u64,
            range.start,
        ));
    }
    let mut validator = function.into_validator(FuncValidatorAllocations::default());
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    if validator.len_locals() > limits.locals {
        return Err(Rejection::limit(
            "locals of a function",
            validator.len_locals().into(),
            limits.locals.into(),
            range.start,
        ));
    }
    let code_start = reader.original_position();

    let mut operators = body.get_operators_reader()?;
    let (mut count, mut highest, mut calls) = (0u32, 0u32, false);
    let mut loops = Loops::default();
    let mut compilation = Compilation::default();
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        count = count.saturating_add(1);
        match operator {
            Operator::BrTable { ref targets } => {
                compilation.targets = compilation.targets.saturating_add(targets.len());
            }
            Operator::Block { .. } | Operator::If { .. } => compilation.open.push(false),
            Operator::Loop { .. } => compilation.open_loop(),
            Operator::End => compilation.close(),
            Operator::Call { .. } | Operator::CallIndirect { .. } => calls = true,
            _ => {}
        }
        loops.before(
            &operator,
            offset..operators.original_position(),
            validator.control_stack_height(),
        );
        validator.op(offset, &operator)?;
        highest = highest.max(validator.operand_stack_height());
        if validator.control_stack_height() > limits.nesting {
            return Err(Rejection::limit(
                "nesting of a function",
                validator.control_stack_height().into(),
                limits.nesting.into(),
                offset,
            ));
        }
    }
    operators.finish()?;
    compilation.check(validator.len_locals(), range.start, limits)?;

    let loops = loops.choose(unrolling);
    let count = count.saturating_add(loops.added_operators());
    // A compiled function keeps a value in a stack slot of eight bytes at most: its locals, its
    // operands, and results it keeps for later. Half of the operators yield one worth keeping.
    let cost = STACK_UNITS_PER_FRAME
        .saturating_add(signature.parameters)
        .saturating_add(validator.len_locals())
        .saturating_add(highest)
        .saturating_add(count / 2);
    let locals = wasm.get(range.start..code_start).unwrap_or_default();
    let body = Body {
        wasm,
        range: code_start..range.end,
        loops: &loops,
    };
    let mut new = locals.to_vec();
    if !calls && cost <= UNCOUNTED {
        body.write(Returns::Stay, &mut new);
        return Ok(new);
    }

    let cost = i32::try_from(cost).unwrap_or(i32::MAX);
    for instruction in [
        Instruction::GlobalGet(stack_global),
        Instruction::I32Const(cost),
        Instruction::I32Add,
        Instruction::GlobalSet(stack_global),
        Instruction::GlobalGet(stack_global),
        Instruction::I32Const(STACK_UNITS as i32),
        Instruction::I32GtU,
        Instruction::If(wasm_encoder::BlockType::Empty),
        Instruction::Unreachable,
        Instruction::End,
    ] {
        instruction.encode(&mut new);
    }
    const BLOCK: u8 = 0x02;
    new.push(BLOCK);
    new.extend_from_slice(&signature.results);
    body.write(Returns::Branch, &mut new);
    for instruction in [
        Instruction::GlobalGet(stack_global),
        Instruction::I32Const(cost),
        Instruction::I32Sub,
        Instruction::GlobalSet(stack_global),
        Instruction::End,
    ] {
        instruction.encode(&mut new);
    }
    Ok(new)
}
