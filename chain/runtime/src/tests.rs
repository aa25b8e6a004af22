//! What clients and hosts rely on, as tests.

use codec::{Decode, Encode};
use polkadot_sdk::*;

use frame_support::__private::metadata::RuntimeMetadata;
use frame_support::traits::{Get, PalletInfoAccess};
use sp_consensus_aura::SlotDuration;
use sp_core::OpaqueMetadata;
use sp_core::crypto::Ss58Codec;
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;

use crate::apis::api::dispatch;
use crate::*;

mod fees;
mod shapes;
mod workers;

/// The default configuration with the preset called `id` merged over it, as JSON.
fn genesis_json(id: &str) -> serde_json::Value {
    let load = |id: Option<&str>| -> serde_json::Value {
        let json = call::<Option<Vec<u8>>>("GenesisBuilder_get_preset", id.map(String::from));
        serde_json::from_slice(&json.expect("the preset exists")).expect("a preset is JSON")
    };
    let mut config = load(None);
    merge(&mut config, load(Some(id)));
    config
}

fn merge(base: &mut serde_json::Value, patch: serde_json::Value) {
    match (base, patch) {
        (serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

fn call<R: Decode>(method: &str, argument: impl Encode) -> R {
    let answer = dispatch(method, &argument.encode()).expect("the method exists");
    R::decode(&mut &answer[..]).expect("the answer has the method's type")
}

/// State of a development chain before its first block.
fn development() -> TestExternalities {
    let mut state = TestExternalities::new_empty();
    state.execute_with(|| {
        let config = genesis_json("development").to_string().into_bytes();
        call::<Result<(), String>>("GenesisBuilder_build_state", config)
            .expect("the development preset builds");
    });
    state
}

#[test]
fn the_development_preset_funds_its_accounts_and_names_its_authority() {
    development().execute_with(|| {
        for account in presets::DEVELOPMENT_ACCOUNTS {
            assert_eq!(
                Balances::free_balance(account.to_account_id()),
                presets::DEVELOPMENT_ENDOWMENT
            );
        }
        assert_eq!(
            pallet_sudo::Key::<Runtime>::get(),
            Some(Sr25519Keyring::Alice.to_account_id())
        );
        assert_eq!(Grandpa::grandpa_authorities().len(), 1);
        assert_eq!(pallet_aura::Authorities::<Runtime>::get().len(), 1);
    });
}

#[test]
fn slot_length_and_minimum_period_come_from_genesis() {
    let mut config = genesis_json("development");
    config["timing"] = serde_json::json!({ "slotDuration": 6_000, "minimumPeriod": 3_000 });
    TestExternalities::new_empty().execute_with(|| {
        call::<Result<(), String>>(
            "GenesisBuilder_build_state",
            config.to_string().into_bytes(),
        )
        .expect("the configuration builds");
        assert_eq!(
            call::<SlotDuration>("AuraApi_slot_duration", ()),
            SlotDuration::from_millis(6_000)
        );
        assert_eq!(
            <Runtime as pallet_timestamp::Config>::MinimumPeriod::get(),
            3_000
        );
    });
}

#[test]
fn metadata_is_offered_in_the_versions_clients_read() {
    development().execute_with(|| {
        let versions: Vec<u32> = call("Metadata_metadata_versions", ());
        for version in [14, 15, 16] {
            assert!(
                versions.contains(&version),
                "metadata V{version} is missing"
            );
            let metadata: Option<OpaqueMetadata> = call("Metadata_metadata_at_version", version);
            assert!(metadata.is_some_and(|bytes| bytes.starts_with(b"meta")));
        }
    });
}

#[test]
fn version_14_metadata_announces_extrinsics_of_version_4() {
    development().execute_with(|| {
        let RuntimeMetadata::V14(metadata) = Runtime::metadata().1 else {
            panic!("the default metadata is V14");
        };
        assert_eq!(metadata.extrinsic.version, 4);
    });
}

#[test]
fn pallets_keep_their_indices() {
    let indices = [
        (System::name(), System::index(), "System", 0),
        (Timestamp::name(), Timestamp::index(), "Timestamp", 1),
        (Aura::name(), Aura::index(), "Aura", 2),
        (Grandpa::name(), Grandpa::index(), "Grandpa", 3),
        (Balances::name(), Balances::index(), "Balances", 4),
        (
            TransactionPayment::name(),
            TransactionPayment::index(),
            "TransactionPayment",
            5,
        ),
        (Sudo::name(), Sudo::index(), "Sudo", 6),
        (Utility::name(), Utility::index(), "Utility", 7),
        (
            RandomnessCollectiveFlip::name(),
            RandomnessCollectiveFlip::index(),
            "RandomnessCollectiveFlip",
            8,
        ),
        (Timing::name(), Timing::index(), "Timing", 9),
        (
            PhalaRegistry::name(),
            PhalaRegistry::index(),
            "PhalaRegistry",
            40,
        ),
        (PhalaMq::name(), PhalaMq::index(), "PhalaMq", 41),
        (
            PhalaPhatContracts::name(),
            PhalaPhatContracts::index(),
            "PhalaPhatContracts",
            42,
        ),
        (PhatEconomy::name(), PhatEconomy::index(), "PhatEconomy", 44),
    ];
    for (name, index, expected_name, expected_index) in indices {
        assert_eq!((name, index), (expected_name, expected_index));
    }
}

#[test]
fn addresses_are_written_with_the_chains_prefix() {
    let address = Sr25519Keyring::Alice
        .to_account_id()
        .to_ss58check_with_version(Ss58Prefix::get().into());
    assert_eq!(address, "45R2pfjQUW2s9PQRHU48HQKLKHVMaDja7N3wpBtmF28UYDs2");
}
