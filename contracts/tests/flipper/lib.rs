//! A boolean that can be flipped: the smallest contract that has state.
//!
//! On ink! 5. `flipper4` is the same contract on ink! 4.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod flipper {
    /// The boolean.
    #[ink(storage)]
    pub struct Flipper {
        value: bool,
    }

    impl Flipper {
        /// Starts with `value`.
        #[ink(constructor)]
        pub fn new(value: bool) -> Self {
            Self { value }
        }

        /// Starts with `false`.
        #[ink(constructor)]
        pub fn new_default() -> Self {
            Self::new(false)
        }

        /// Turns the value into its opposite.
        #[ink(message)]
        pub fn flip(&mut self) {
            self.value = !self.value;
        }

        /// The current value.
        #[ink(message)]
        pub fn get(&self) -> bool {
            self.value
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[ink::test]
        fn flipping_twice_restores_the_value() {
            let mut flipper = Flipper::new(true);
            flipper.flip();
            assert!(!flipper.get());
            flipper.flip();
            assert!(flipper.get());
        }

        #[ink::test]
        fn the_default_is_false() {
            assert!(!Flipper::new_default().get());
        }
    }
}
