//! Both machines side by side.

use phat_engine::{AccountId, CallArgs, CodeHash, ContractId, InstantiateArgs, LifecycleEvent};

use crate::{ALICE, BOB, Ending, GAS, Machine, Reference, Subject, UNIT};

/// Both machines. What is done to a pair is done on both, and the pair panics where they differ in
/// anything that is compared.
#[derive(Default)]
pub struct Pair {
    /// Our engine.
    pub subject: Subject,
    /// The pallet.
    pub reference: Reference,
    /// Whether the machines went different ways as they are meant to: gas ran out somewhere, of
    /// which they take different amounts, or the reference refused to end a contract that was
    /// charged in the same execution (see the README). There is nothing left to compare then.
    pub parted: bool,
    salt: u32,
}

/// The code with a custom section behind it that makes it `length` bytes long.
///
/// # Panics
///
/// If that is less than seven bytes more: a section cannot be smaller.
pub fn pad(wasm: &[u8], length: usize) -> Vec<u8> {
    const HEAD: usize = 7;
    let content = length - wasm.len() - HEAD;
    // Kind 0, the size in five bytes of LEB128, an empty name.
    let size = content as u32 + 1;
    let digit = |at: u32| (size >> (7 * at)) as u8 & 0x7f;
    let mut padded = wasm.to_vec();
    padded.push(0);
    padded.extend((0..4).map(|at| digit(at) | 0x80));
    padded.extend([digit(4), 0]);
    padded.resize(length, 0);
    padded
}

/// Code that both machines accept and that does nothing.
const NOTHING: &str = r#"(module (import "env" "memory" (memory 1 1))
    (func (export "deploy")) (func (export "call")))"#;

impl Pair {
    /// Two machines on which Alice and Bob have money.
    pub fn new() -> Self {
        let mut pair = Self::default();
        pair.mint(ALICE, 1_000_000 * UNIT);
        pair.mint(BOB, 10 * UNIT);
        pair
    }

    /// Gives an account money.
    pub fn mint(&mut self, to: AccountId, amount: u128) {
        self.subject.mint(to, amount);
        self.reference.mint(to, amount);
    }

    /// Uploads the same code on both.
    pub fn try_upload(
        &mut self,
        owner: AccountId,
        wasm: &[u8],
        deposit_limit: Option<u128>,
    ) -> Result<CodeHash, String> {
        let ours = self.subject.upload(owner, wasm, deposit_limit);
        let theirs = self.reference.upload(owner, wasm, deposit_limit);
        assert_eq!(ours, theirs, "an upload: ours, the reference's");
        self.compare_state();
        ours.map(|(hash, _)| hash)
    }

    /// Uploads a contract written as WAT.
    pub fn upload(&mut self, wat: &str) -> CodeHash {
        let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
        self.try_upload(ALICE, &wasm, None)
            .unwrap_or_else(|error| panic!("{error}\n{wat}"))
    }

    /// Uploads two builds of one source, the second for the reference. It gets it under the hash
    /// of the first, and the shorter is padded, so that addresses and deposits are equal.
    pub fn upload_builds(&mut self, ours: &[u8], theirs: &[u8]) -> CodeHash {
        const LEAST: usize = 7;
        let length = ours.len().max(theirs.len()) + LEAST;
        let (ours, theirs) = (pad(ours, length), pad(theirs, length));
        let uploaded = self.subject.upload(ALICE, &ours, None);
        let (hash, deposit) = uploaded.expect("our engine accepts today's bytecode");
        let uploaded = self.reference.upload(ALICE, &theirs, None);
        let (stand_in, reference_deposit) = uploaded.expect("the reference accepts its build");
        assert_eq!(deposit, reference_deposit);
        self.reference.rename_code(stand_in, hash);
        self.compare_state();
        hash
    }

    /// Deploys a contract that uses deprecated functions. The reference runs such code only where
    /// it was uploaded and instantiated long ago: it gets a contract of empty code, into which the
    /// real one is put afterwards.
    pub fn deploy_deprecated(&mut self, wat: &str) -> ContractId {
        let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
        let nothing = wat::parse_str(NOTHING).expect("it is valid");
        let length = wasm.len().max(nothing.len() + 7);
        let wasm = if length == wasm.len() {
            wasm
        } else {
            pad(&wasm, length + 7)
        };
        let nothing = pad(&nothing, wasm.len());
        let refused = self.reference.upload(ALICE, &wasm, None);
        assert_eq!(refused, Err("CodeRejected".into()), "it is deprecated");
        let (hash, _) = self
            .subject
            .upload(ALICE, &wasm, None)
            .expect("our engine offers deprecated functions");
        let (stand_in, _) = self
            .reference
            .upload(ALICE, &nothing, None)
            .expect("it does nothing");
        self.reference.rename_code(stand_in, hash);
        let contract = self.deploy_code(hash);
        self.reference.replace_code(hash, &wasm);
        contract
    }

    /// Arguments for an instantiation by Alice, with a salt that was not used before.
    pub fn instantiation(&mut self, code_hash: CodeHash) -> InstantiateArgs {
        self.salt += 1;
        InstantiateArgs {
            origin: ALICE,
            code_hash,
            value: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
            input: Vec::new(),
            salt: self.salt.to_le_bytes().to_vec(),
        }
    }

    /// Instantiates an uploaded code, without value and input.
    pub fn deploy_code(&mut self, code_hash: CodeHash) -> ContractId {
        let args = self.instantiation(code_hash);
        self.instantiate(args)
            .result
            .expect("the constructor succeeds")
            .contract
            .expect("an instantiation gives an address")
    }

    /// Uploads and instantiates a contract written as WAT.
    pub fn deploy(&mut self, wat: &str) -> ContractId {
        let code_hash = self.upload(wat);
        self.deploy_code(code_hash)
    }

    /// Instantiates on both.
    pub fn instantiate(&mut self, args: InstantiateArgs) -> Ending {
        let (what, gas_limit) = (format!("{args:?}"), args.gas_limit);
        let ours = self.subject.instantiate(args.clone());
        let theirs = self.reference.instantiate(args);
        self.compare(&what, gas_limit, ours, theirs)
    }

    /// Arguments for a call by Alice.
    pub fn args(dest: ContractId, input: impl Into<Vec<u8>>) -> CallArgs {
        CallArgs {
            origin: ALICE,
            dest,
            value: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
            input: input.into(),
        }
    }

    /// Calls on both.
    pub fn call(&mut self, args: CallArgs) -> Ending {
        let (what, gas_limit) = (format!("{args:?}"), args.gas_limit);
        let ours = self.subject.call(args.clone());
        let theirs = self.reference.call(args);
        self.compare(&what, gas_limit, ours, theirs)
    }

    /// Calls on both, as Alice and without value.
    pub fn ask(&mut self, dest: ContractId, input: impl Into<Vec<u8>>) -> Ending {
        self.call(Self::args(dest, input))
    }

    /// Removes a code on both.
    pub fn remove_code(&mut self, owner: AccountId, code_hash: CodeHash) -> Result<(), String> {
        let ours = self.subject.remove_code(owner, code_hash);
        let theirs = self.reference.remove_code(owner, code_hash);
        assert_eq!(ours, theirs, "a removal of code: ours, the reference's");
        self.compare_state();
        ours
    }

    /// Compares two endings and the states after them; `what` ended so.
    fn compare(&mut self, what: &str, gas_limit: u64, ours: Ending, mut theirs: Ending) -> Ending {
        // The pallet's event does not tell the code; whether it is the right one shows in the state.
        for (our, their) in ours.lifecycle.iter().zip(&mut theirs.lifecycle) {
            if let (
                LifecycleEvent::Instantiated { code_hash, .. },
                LifecycleEvent::Instantiated {
                    code_hash: their_hash,
                    ..
                },
            ) = (our, their)
            {
                *their_hash = *code_hash;
            }
        }
        let ended = |event: &LifecycleEvent| matches!(event, LifecycleEvent::Terminated { .. });
        let cannot_end = theirs.result == Err("Token(CannotCreateHold)".into())
            && ours.lifecycle.iter().any(ended);
        let exhausted = ours.gas.max(theirs.gas) > gas_limit / 10 * 9;
        if ours.result != theirs.result && (cannot_end || exhausted) {
            self.parted = true;
            return ours;
        }
        assert_eq!(ours.result, theirs.result, "{what}: ours, the reference's");
        assert_eq!(ours.events, theirs.events, "{what}");
        assert_eq!(ours.lifecycle, theirs.lifecycle, "{what}");
        assert_eq!(
            String::from_utf8_lossy(&ours.debug),
            String::from_utf8_lossy(&theirs.debug),
            "{what}"
        );
        // A failed execution keeps nothing; what it would have held is of no use to anybody.
        if ours.result.is_ok() {
            assert_eq!(ours.deposit, theirs.deposit, "{what}");
            assert!(
                ours.gas <= theirs.gas,
                "{what}: {} gas, the reference takes {}",
                ours.gas,
                theirs.gas
            );
        }
        self.compare_state();
        ours
    }

    /// Compares the whole states.
    fn compare_state(&mut self) {
        let (ours, theirs) = (self.subject.snapshot(), self.reference.snapshot());
        assert_eq!(ours.accounts, theirs.accounts, "balances");
        assert_eq!(ours.codes, theirs.codes, "codes");
        assert_eq!(ours.contracts, theirs.contracts, "contracts");
        assert_eq!(ours.nonce, theirs.nonce, "instantiations");
        for (id, contract) in &ours.contracts {
            let (bytes, items, base) = contract.deposits;
            let dependencies: u128 = contract.dependencies.values().sum();
            let recorded = bytes + items + base + dependencies;
            assert_eq!(ours.accounts[id].1, recorded, "held by {id:?}");
        }
    }
}
