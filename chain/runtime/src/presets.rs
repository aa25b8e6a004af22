//! Genesis configurations that come with the runtime.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use polkadot_sdk::*;

use phat_attestation::software::dangerous_development_root;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, PresetId};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

use crate::{
    AuraConfig, Balance, BalancesConfig, GrandpaConfig, PHA, PhalaRegistryConfig, PhatEconomy,
    PhatEconomyConfig, RuntimeGenesisConfig, SudoConfig,
};

/// What each development account owns at genesis.
pub const DEVELOPMENT_ENDOWMENT: Balance = 10_000_000 * PHA;

/// The accounts that a development chain funds.
pub const DEVELOPMENT_ACCOUNTS: [Sr25519Keyring; 6] = [
    Sr25519Keyring::Alice,
    Sr25519Keyring::Bob,
    Sr25519Keyring::Charlie,
    Sr25519Keyring::Dave,
    Sr25519Keyring::Eve,
    Sr25519Keyring::Ferdie,
];

/// What software evidence on a development chain gives as the program's measurement: nobody
/// measures it.
pub const DEVELOPMENT_MEASUREMENT: [u8; 32] = *b"phat development: not measured  ";

/// What there is for rewards on a development chain.
pub const DEVELOPMENT_REWARDS: Balance = 1_000_000 * PHA;

/// Length of an era on a development chain: short enough to watch.
pub const DEVELOPMENT_ERA_MS: u64 = 60_000;

/// Eras for which stake and workers that leave wait on a development chain.
pub const DEVELOPMENT_WAITING_ERAS: u32 = 2;

/// Genesis of a development chain: `//Alice` is the one authority and sudo, and
/// she and her friends are funded. Software evidence is accepted. Eras do not run until she starts
/// them, and are short. A patch over the default configuration.
fn development() -> serde_json::Value {
    frame_support::build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig {
            balances: DEVELOPMENT_ACCOUNTS
                .iter()
                .map(|account| (account.to_account_id(), DEVELOPMENT_ENDOWMENT))
                .chain([
                    (PhatEconomy::reward_account(), DEVELOPMENT_REWARDS),
                    (PhatEconomy::usual_treasury(), PHA),
                ])
                .collect::<Vec<_>>(),
        },
        aura: AuraConfig {
            authorities: vec![AuraId::from(Sr25519Keyring::Alice.public())],
        },
        grandpa: GrandpaConfig {
            authorities: vec![(GrandpaId::from(Ed25519Keyring::Alice.public()), 1)],
        },
        sudo: SudoConfig {
            key: Some(Sr25519Keyring::Alice.to_account_id()),
        },
        phala_registry: PhalaRegistryConfig {
            development_root: Some(dangerous_development_root().public()),
            measurements: vec![DEVELOPMENT_MEASUREMENT],
        },
        phat_economy: PhatEconomyConfig {
            era_ms: Some(DEVELOPMENT_ERA_MS),
            waiting_eras: Some(DEVELOPMENT_WAITING_ERAS),
        },
    })
}

/// The preset called `id`, as JSON to be merged over the default configuration.
pub fn get(id: &PresetId) -> Option<Vec<u8>> {
    (id == DEV_RUNTIME_PRESET).then(|| development().to_string().into_bytes())
}

/// The presets there are.
pub fn names() -> Vec<PresetId> {
    vec![PresetId::from(DEV_RUNTIME_PRESET)]
}
