//! Random sequences of calls between puppets, on both machines.
//!
//! Every sequence follows from its seed. A failure prints it; `ORACLE_SEED=… cargo test --release
//! --test sequences` runs that one alone. `ORACLE_SEQUENCES` sets how many are run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use phat_oracle::*;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Sequences run by default.
const SEQUENCES: u64 = 150;
/// Calls in each.
const CALLS: usize = 40;

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Accounts and codes that programs name.
struct Cast {
    accounts: Vec<[u8; 32]>,
    puppets: Vec<[u8; 32]>,
    codes: Vec<[u8; 32]>,
}

fn key(dice: &mut Dice) -> Vec<u8> {
    let keys: [&[u8]; 5] = [
        b"",
        b"a",
        b"b",
        b"longer than others, but not by much",
        &[7; 128],
    ];
    dice.pick(&keys).to_vec()
}

fn length(dice: &mut Dice) -> u16 {
    dice.pick(&[0, 1, 7, 32, 100, 333])
}

fn value(dice: &mut Dice) -> u128 {
    let ed = EXISTENTIAL_DEPOSIT;
    let usual = [
        0,
        0,
        0,
        1,
        ed - 1,
        ed,
        ed + 1,
        3 * ed,
        100 * ed,
        UNIT,
        u128::MAX,
    ];
    dice.pick(&usual)
}

fn deposit_limit(dice: &mut Dice) -> u128 {
    match dice.one_in(4) {
        true => dice.pick(&[1, 50, 101, 200, 500, 2_000, 10_000]),
        false => 0,
    }
}

fn flags(dice: &mut Dice) -> u8 {
    match dice.one_in(3) {
        // 1 forward, 2 clone, 4 tail, 8 re-entry, 16 read-only
        true => dice.below(32) as u8,
        false => dice.pick(&[0, 8, 8, 16, 12]),
    }
}

fn program(dice: &mut Dice, cast: &Cast, depth: usize) -> Program {
    let steps = 1 + dice.below(5);
    (0..steps).map(|_| step(dice, cast, depth)).collect()
}

fn step(dice: &mut Dice, cast: &Cast, depth: usize) -> Step {
    let kinds = if depth == 0 { 22 } else { 34 };
    match dice.below(kinds) {
        0..=2 => Step::Set(key(dice), length(dice)),
        3 => Step::SetFixed([dice.below(2) as u8; 32], length(dice)),
        4 => Step::Clear(key(dice)),
        5 => Step::Get(key(dice)),
        6 => Step::Take(key(dice)),
        7 => Step::GetTransient(key(dice)),
        8 => Step::TakeTransient(key(dice)),
        9 => Step::SetTransient(key(dice), length(dice)),
        10..=12 => Step::Transfer(dice.pick(&cast.accounts), value(dice)),
        13 if dice.one_in(3) => Step::Terminate(dice.pick(&cast.accounts)),
        14 => Step::SetCodeHash(dice.pick(&cast.codes)),
        15 => Step::Lock(dice.pick(&cast.codes)),
        16 => Step::Unlock(dice.pick(&cast.codes)),
        17 => {
            let topics = dice.pick(&[0, 32, 32, 64, 128, 160, 33]);
            Step::Event(vec![4 * (topics / 32) as u8; topics], length(dice))
        }
        18 if dice.one_in(3) => Step::Revert,
        19 if dice.one_in(3) => Step::Trap,
        20 => Step::Look(dice.pick(&cast.accounts)),
        22..=27 => Step::Call {
            flags: flags(dice),
            callee: match dice.one_in(8) {
                true => dice.pick(&cast.accounts),
                false => dice.pick(&cast.puppets),
            },
            value: value(dice),
            deposit_limit: deposit_limit(dice),
            program: program(dice, cast, depth - 1),
        },
        28..=30 => Step::Delegate {
            flags: match dice.one_in(5) {
                true => flags(dice),
                false => 0,
            },
            code: dice.pick(&cast.codes),
            program: program(dice, cast, depth - 1),
        },
        31..=33 => Step::Instantiate {
            code: dice.pick(&cast.codes),
            value: value(dice),
            deposit_limit: deposit_limit(dice),
            salt: vec![dice.below(6) as u8],
            program: program(dice, cast, depth - 1),
        },
        _ => Step::Set(key(dice), length(dice)),
    }
}

/// One sequence. Tells what was done last before a difference.
fn run(seed: u64) {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut pair = Pair::new();
    let wasm = wat::parse_str(PUPPET).unwrap();
    let longer = pad(&wasm, wasm.len() + 100);
    let mut cast = Cast {
        accounts: vec![ALICE, BOB, NOBODY, [0xdd; 32]],
        puppets: Vec::new(),
        codes: vec![[0x55; 32]],
    };
    for (owner, wasm) in [(ALICE, &wasm), (BOB, &longer)] {
        let code = pair.try_upload(owner, wasm, None).unwrap();
        cast.codes.push(code);
        for _ in 0..2 {
            let args = InstantiateArgs {
                value: 20 * EXISTENTIAL_DEPOSIT,
                input: Step::encode(&[]),
                ..pair.instantiation(code)
            };
            let contract = pair.instantiate(args).result.unwrap().contract.unwrap();
            cast.puppets.push(contract);
            cast.accounts.push(contract);
        }
    }
    let mut last = String::new();
    for number in 0..CALLS {
        let origin = dice.pick(&[ALICE, ALICE, BOB]);
        let limit = dice
            .one_in(5)
            .then(|| dice.pick(&[0, 100, 400, 1_000, 5_000, 20_000]));
        let program = program(&mut dice, &cast, 3);
        let value = value(&mut dice);
        let done = catch_unwind(AssertUnwindSafe(|| match dice.below(12) {
            0 => {
                let code = dice.pick(&cast.codes);
                last = format!("instantiate {program:?}");
                let salt = vec![dice.below(6) as u8];
                pair.instantiate(InstantiateArgs {
                    origin,
                    value,
                    storage_deposit_limit: limit,
                    input: Step::encode(&program),
                    salt,
                    ..pair_args(code)
                });
            }
            1 => {
                last = "remove a code".into();
                let _ = pair.remove_code(origin, dice.pick(&cast.codes));
            }
            2 => {
                last = "mint".into();
                pair.mint(dice.pick(&cast.accounts), 50 * EXISTENTIAL_DEPOSIT);
            }
            3 => {
                last = "upload again".into();
                let wasm = dice.pick(&[&wasm, &longer]);
                let _ = pair.try_upload(origin, wasm, limit);
            }
            _ => {
                last = format!("call {program:?}");
                pair.call(CallArgs {
                    origin,
                    value,
                    storage_deposit_limit: limit,
                    ..Pair::args(dice.pick(&cast.puppets), Step::encode(&program))
                });
            }
        }));
        if let Err(panic) = done {
            eprintln!("seed {seed}, call {number}: {last}");
            resume_unwind(panic);
        }
        if pair.parted {
            return;
        }
        for contract in pair.subject.snapshot().contracts.into_keys() {
            if !cast.accounts.contains(&contract) && cast.puppets.len() < 10 {
                cast.accounts.push(contract);
                cast.puppets.push(contract);
            }
        }
    }
}

fn pair_args(code_hash: [u8; 32]) -> InstantiateArgs {
    InstantiateArgs {
        origin: ALICE,
        code_hash,
        value: 0,
        gas_limit: GAS,
        storage_deposit_limit: None,
        input: Vec::new(),
        salt: Vec::new(),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn random_sequences_end_alike() {
    if let Some(seed) = number("ORACLE_SEED") {
        return run(seed);
    }
    for seed in 0..number("ORACLE_SEQUENCES").unwrap_or(SEQUENCES) {
        run(seed);
    }
}
