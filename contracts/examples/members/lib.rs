//! A control contract: only members deploy and send commands in its cluster.
//!
//! The owner of a cluster deploys it, admits members, and names it in the
//! cluster's policy. From then on the cluster asks it before each deployment and
//! each execution, and does what it allows:
//!
//! ```text
//! phat deploy members.contract --name members
//! phat call members admit 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty
//! phat cluster policy --control members
//! ```
//!
//! Everybody may query, since queries change nothing. The owner needs no entry in
//! the list to call this contract: the cluster does not ask it about its owner's
//! calls to itself, and a policy is changed on the chain.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract(env = PinkEnvironment)]
mod members {
    use ink::storage::Mapping;
    use pink::control::{Action, Control, Refusal, Request};
    use pink::PinkEnvironment;

    /// Code of a refusal: only members deploy.
    pub const MAY_NOT_DEPLOY: u16 = 1;
    /// Code of a refusal: only members send commands.
    pub const MAY_NOT_COMMAND: u16 = 2;

    /// Why the list was not changed.
    #[derive(Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    pub enum Error {
        /// Only the owner, who deployed the contract, may do this.
        NotOwner,
    }

    /// Who is a member, and who says so.
    #[ink(storage)]
    pub struct Members {
        owner: AccountId,
        members: Mapping<AccountId, ()>,
    }

    impl Members {
        /// The caller becomes the owner, and the first member.
        #[ink(constructor)]
        pub fn new() -> Self {
            let owner = Self::env().caller();
            let mut members = Mapping::default();
            members.insert(owner, &());
            Self { owner, members }
        }

        /// Makes an account a member. Only the owner may.
        #[ink(message)]
        pub fn admit(&mut self, account: AccountId) -> Result<(), Error> {
            self.ensure_owner()?;
            self.members.insert(account, &());
            Ok(())
        }

        /// Makes an account a member no more. Only the owner may.
        #[ink(message)]
        pub fn expel(&mut self, account: AccountId) -> Result<(), Error> {
            self.ensure_owner()?;
            self.members.remove(account);
            Ok(())
        }

        /// Whether an account is a member.
        #[ink(message)]
        pub fn is_member(&self, account: AccountId) -> bool {
            self.members.contains(account)
        }

        fn ensure_owner(&self) -> Result<(), Error> {
            if self.env().caller() == self.owner {
                Ok(())
            } else {
                Err(Error::NotOwner)
            }
        }
    }

    impl Default for Members {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Control for Members {
        #[ink(message)]
        fn allow(&self, request: Request) -> Result<(), Refusal> {
            if self.members.contains(request.caller) {
                return Ok(());
            }
            let (code, reason) = match request.action {
                Action::Query { .. } => return Ok(()),
                Action::Upload { .. } | Action::Instantiate { .. } => {
                    (MAY_NOT_DEPLOY, "only members deploy in this cluster")
                }
                Action::Command { .. } => {
                    (MAY_NOT_COMMAND, "only members send commands in this cluster")
                }
            };
            Err(Refusal {
                code,
                reason: reason.into(),
            })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use ink::env::test;

        fn accounts() -> test::DefaultAccounts<PinkEnvironment> {
            test::default_accounts::<PinkEnvironment>()
        }

        fn as_caller(account: AccountId) {
            test::set_caller::<PinkEnvironment>(account);
        }

        fn deployed_by_alice() -> Members {
            as_caller(accounts().alice);
            Members::new()
        }

        fn actions() -> [Action; 4] {
            let contract = AccountId::from([7; 32]);
            [
                Action::Upload { code_hash: [1; 32] },
                Action::Instantiate {
                    contract,
                    code_hash: [1; 32],
                },
                Action::Command {
                    contract,
                    selector: Some([1, 2, 3, 4]),
                },
                Action::Query {
                    contract,
                    selector: None,
                },
            ]
        }

        /// The codes with which the four actions are refused to an account.
        fn refused(members: &Members, caller: AccountId) -> [Option<u16>; 4] {
            actions().map(|action| {
                let answer = members.allow(Request { caller, action });
                answer.err().map(|refusal| refusal.code)
            })
        }

        const STRANGER: [Option<u16>; 4] = [
            Some(MAY_NOT_DEPLOY),
            Some(MAY_NOT_DEPLOY),
            Some(MAY_NOT_COMMAND),
            None,
        ];

        #[ink::test]
        fn members_may_do_everything_and_others_query_only() {
            let mut members = deployed_by_alice();
            let bob = accounts().bob;
            assert_eq!(refused(&members, accounts().alice), [None; 4]);
            assert_eq!(refused(&members, bob), STRANGER);
            assert_eq!(members.admit(bob), Ok(()));
            assert!(members.is_member(bob));
            assert_eq!(refused(&members, bob), [None; 4]);
            assert_eq!(members.expel(bob), Ok(()));
            assert_eq!(refused(&members, bob), STRANGER);
        }

        #[ink::test]
        fn only_the_owner_changes_the_list() {
            let mut members = deployed_by_alice();
            let bob = accounts().bob;
            as_caller(bob);
            assert_eq!(members.admit(bob), Err(Error::NotOwner));
            assert_eq!(members.expel(accounts().alice), Err(Error::NotOwner));
            assert!(!members.is_member(bob));
            assert!(members.is_member(accounts().alice));
        }

        #[ink::test]
        fn who_calls_the_message_does_not_matter() {
            let members = deployed_by_alice();
            as_caller(AccountId::from([9; 32]));
            assert_eq!(refused(&members, accounts().alice), [None; 4]);
            assert_eq!(refused(&members, accounts().bob), STRANGER);
        }
    }
}
