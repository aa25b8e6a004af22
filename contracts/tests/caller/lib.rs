//! Calls other contracts, makes contracts, emits events, and fails in every way.
//!
//! The engine's tests drive it. Its messages let the caller see what the engine
//! says when a call goes wrong, instead of failing themselves.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod caller {
    use ink::env::call::{build_call, build_create, ExecutionInput, Selector};
    use ink::env::{CallFlags, DefaultEnvironment, ReturnFlags};
    use ink::prelude::{string::String, vec::Vec};
    use ink::scale::{Decode, Encode, Input, Output};
    use ink::ToAccountId;

    /// What comes back from another contract, undecoded.
    type Raw = Vec<u8>;

    /// Something has happened.
    #[ink(event)]
    pub struct Noted {
        /// Who made it happen.
        #[ink(topic)]
        by: AccountId,
        /// A number to find it by.
        #[ink(topic)]
        key: u32,
        /// The rest.
        text: String,
    }

    /// Why a message of this contract did not succeed.
    #[derive(Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    pub enum Error {
        /// It was asked to fail, with this number.
        Asked(u32),
        /// The engine refused a call or an instantiation; its error, as text.
        Engine(String),
        /// The contract that was called or made returned an error of its own.
        Contract(String),
    }

    /// Counts what has been done, to show what a failure takes back.
    #[ink(storage)]
    #[derive(Default)]
    pub struct Caller {
        count: u32,
    }

    impl Caller {
        /// Starts counting from zero.
        #[ink(constructor, payable)]
        pub fn new() -> Self {
            Self::default()
        }

        /// Fails if `fail`, with an error of the contract.
        #[ink(constructor)]
        pub fn try_new(fail: bool) -> Result<Self, Error> {
            if fail {
                return Err(Error::Asked(0));
            }
            Ok(Self::default())
        }

        /// Panics.
        #[ink(constructor)]
        pub fn panicking() -> Self {
            panic!("no contract today")
        }

        /// The count.
        #[ink(message)]
        pub fn count(&self) -> u32 {
            self.count
        }

        /// Adds one to the count and returns it.
        #[ink(message)]
        pub fn increment(&mut self) -> u32 {
            self.count = self.count.wrapping_add(1);
            self.count
        }

        /// Takes the value that comes with the call and returns its amount.
        #[ink(message, payable)]
        pub fn pay(&mut self) -> Balance {
            self.env().transferred_value()
        }

        /// Who calls.
        #[ink(message)]
        pub fn who_calls(&self) -> AccountId {
            self.env().caller()
        }

        /// Adds one to the count, then returns an error, which reverts.
        #[ink(message)]
        pub fn revert(&mut self, code: u32) -> Result<(), Error> {
            self.increment();
            Err(Error::Asked(code))
        }

        /// Adds one to the count, then reverts with `output`, which need not be
        /// the encoding of anything.
        #[ink(message)]
        pub fn revert_with(&mut self, output: Vec<u8>) {
            self.increment();
            ink::env::return_value(ReturnFlags::REVERT, &Verbatim(output))
        }

        /// Adds one to the count, then panics with `message`.
        #[ink(message)]
        pub fn panic(&mut self, message: String) {
            self.increment();
            panic!("{message}")
        }

        /// Never ends.
        #[ink(message)]
        pub fn spin(&self) {
            loop {
                core::hint::black_box(());
            }
        }

        /// Does `rounds` rounds of a computation and returns its result.
        #[ink(message)]
        pub fn compute(&self, rounds: u64) -> u64 {
            (0..rounds).fold(1, |state: u64, round| {
                core::hint::black_box((state ^ round).wrapping_mul(0x0000_0100_0000_01b3))
            })
        }

        /// Uses up the stack.
        #[ink(message)]
        pub fn recurse(&self, depth: u32) -> u64 {
            let page = core::hint::black_box([u64::from(depth); 64]);
            match depth {
                0 => page[0],
                _ => self.recurse(depth - 1).wrapping_add(page[63]),
            }
        }

        /// Asks for `size` bytes of memory and returns how many it has got.
        #[ink(message)]
        pub fn allocate(&self, size: u32) -> u32 {
            core::hint::black_box(ink::prelude::vec![1_u8; size as usize]).len() as u32
        }

        /// Emits an event.
        #[ink(message)]
        pub fn note(&mut self, key: u32, text: String) {
            let by = self.env().caller();
            self.env().emit_event(Noted { by, key, text });
        }

        /// Calls `callee` with `input` (a selector and arguments), passes `value`
        /// on, and returns the raw output. `flags` are those of the host's `call`. If
        /// the call fails, so does this message.
        #[ink(message, payable)]
        pub fn call(
            &mut self,
            callee: AccountId,
            input: Vec<u8>,
            value: Balance,
            flags: u32,
        ) -> Result<Raw, Error> {
            self.increment();
            send(callee, &input, value, flags)
        }

        /// Like `call` without value or flags, but succeeds whatever becomes of the
        /// call, and returns what that was.
        #[ink(message)]
        pub fn attempt(&mut self, callee: AccountId, input: Vec<u8>) -> (bool, Raw) {
            self.increment();
            match send(callee, &input, 0, 0) {
                Ok(output) => (true, output),
                Err(error) => (false, error.encode()),
            }
        }

        /// Calls `increment` of `callee` and then panics.
        #[ink(message)]
        pub fn increment_other_then_panic(&mut self, callee: AccountId) {
            let increment = ink::selector_bytes!("increment");
            let output = send(callee, &increment, 0, 0);
            panic!("after {output:?}")
        }

        /// Calls itself `depth` times, one call inside the other.
        #[ink(message)]
        pub fn nest(&mut self, depth: u32) -> Result<u32, Error> {
            if depth == 0 {
                return Ok(0);
            }
            build_call::<DefaultEnvironment>()
                .call(self.env().account_id())
                .call_flags(CallFlags::ALLOW_REENTRY)
                .exec_input(
                    ExecutionInput::new(Selector::new(ink::selector_bytes!("nest")))
                        .push_arg(depth - 1),
                )
                .returns::<Result<u32, Error>>()
                .try_invoke()
                .map_err(|error| Error::Engine(text(error)))?
                .map_err(|error| Error::Contract(text(error)))?
                .map(|depth| depth + 1)
        }

        /// Executes `input` with the code of another contract in this one's place.
        #[ink(message)]
        pub fn delegate(&mut self, code: Hash, input: Vec<u8>) -> Result<Raw, Error> {
            let (selector, arguments) = split(&input);
            build_call::<DefaultEnvironment>()
                .delegate(code)
                .exec_input(ExecutionInput::new(selector).push_arg(Verbatim(arguments)))
                .returns::<Verbatim>()
                .try_invoke()
                .map_err(|error| Error::Engine(text(error)))?
                .map(|output| output.0)
                .map_err(|error| Error::Contract(text(error)))
        }

        /// Makes a contract from `code` with its constructor `new` and this
        /// argument, and returns its address.
        #[ink(message, payable)]
        pub fn instantiate(
            &mut self,
            code: Hash,
            argument: bool,
            salt: Vec<u8>,
            endowment: Balance,
        ) -> Result<AccountId, Error> {
            self.increment();
            build_create::<CallerRef>()
                .code_hash(code)
                .endowment(endowment)
                .exec_input(
                    ExecutionInput::new(Selector::new(ink::selector_bytes!("new")))
                        .push_arg(argument),
                )
                .salt_bytes(salt)
                // The reference is only a way to the address, of whatever it is.
                .returns::<CallerRef>()
                .try_instantiate()
                .map_err(|error| Error::Engine(text(error)))?
                .map(|made| made.to_account_id())
                .map_err(|error| Error::Contract(text(error)))
        }

        /// Sends `value` to an account.
        #[ink(message)]
        pub fn transfer(&mut self, to: AccountId, value: Balance) -> Result<(), Error> {
            self.env()
                .transfer(to, value)
                .map_err(|error| Error::Engine(text(error)))
        }

        /// What this contract owns.
        #[ink(message)]
        pub fn balance(&self) -> Balance {
            self.env().balance()
        }

        /// Changes the code of this contract.
        #[ink(message)]
        pub fn set_code(&mut self, code: Hash) -> Result<(), Error> {
            self.env()
                .set_code_hash(&code)
                .map_err(|error| Error::Engine(text(error)))
        }

        /// Ends this contract; what it owns goes to `heir`.
        #[ink(message)]
        pub fn terminate(&mut self, heir: AccountId) {
            self.env().terminate_contract(heir)
        }
    }

    /// Bytes that are written and read as they are, to the end.
    struct Verbatim(Vec<u8>);

    impl Encode for Verbatim {
        fn encode_to<T: Output + ?Sized>(&self, to: &mut T) {
            to.write(&self.0);
        }
    }

    impl Decode for Verbatim {
        fn decode<I: Input>(input: &mut I) -> Result<Self, ink::scale::Error> {
            let mut bytes = Vec::new();
            while let Ok(byte) = input.read_byte() {
                bytes.push(byte);
            }
            Ok(Self(bytes))
        }
    }

    fn text(error: impl core::fmt::Debug) -> String {
        ink::prelude::format!("{error:?}")
    }

    /// A selector and what follows it. Missing bytes are zero.
    fn split(input: &[u8]) -> (Selector, Vec<u8>) {
        let mut selector = [0; 4];
        for (byte, given) in selector.iter_mut().zip(input) {
            *byte = *given;
        }
        let arguments = input.get(4..).unwrap_or_default();
        (Selector::new(selector), arguments.to_vec())
    }

    fn send(callee: AccountId, input: &[u8], value: Balance, flags: u32) -> Result<Raw, Error> {
        let (selector, arguments) = split(input);
        build_call::<DefaultEnvironment>()
            .call_v1(callee)
            .transferred_value(value)
            .call_flags(CallFlags::from_bits_truncate(flags))
            .exec_input(ExecutionInput::new(selector).push_arg(Verbatim(arguments)))
            .returns::<Verbatim>()
            .try_invoke()
            .map_err(|error| Error::Engine(text(error)))?
            .map(|output| output.0)
            .map_err(|error| Error::Contract(text(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::caller::{Caller, Error};

    #[ink::test]
    fn a_reverting_message_reports_its_number() {
        let mut contract = Caller::new();
        assert_eq!(contract.revert(7), Err(Error::Asked(7)));
    }

    #[ink::test]
    fn an_event_carries_its_topics() {
        Caller::new().note(3, "x".into());
        let events: Vec<_> = ink::env::test::recorded_events().collect();
        assert_eq!(events.len(), 1);
        // The event's signature, then the two fields.
        assert_eq!(events[0].topics.len(), 3);
    }

    #[ink::test]
    fn computing_is_repeatable_and_depends_on_the_rounds() {
        let contract = Caller::new();
        assert_eq!(contract.compute(1000), contract.compute(1000));
        assert_ne!(contract.compute(1000), contract.compute(1001));
    }
}
