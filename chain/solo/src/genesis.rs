//! The state a chain begins with.

use std::collections::BTreeMap;

use codec::{Decode, Encode};
use polkadot_sdk::*;

use sp_genesis_builder::PresetId;
use sp_state_machine::BasicExternalities;

use phat_runtime::apis::api::dispatch;

/// The entries of the state at block 0.
pub type Genesis = BTreeMap<Vec<u8>, Vec<u8>>;

/// Why a genesis could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The runtime has no preset of this name.
    #[error("the runtime has no genesis preset \"{name}\"; it has {}", known.join(", "))]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The runtime refuses the configuration.
    #[error("the runtime refuses the genesis configuration: {0}")]
    Refused(String),
    /// The runtime's answer is not what its interface says.
    #[error("the runtime's answer to {method} does not decode: {source}")]
    Answer {
        /// The function of the runtime.
        method: &'static str,
        /// What does not fit.
        source: codec::Error,
    },
    /// A preset is not JSON.
    #[error("the runtime's genesis preset is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The genesis of the runtime's preset `preset`, with `patch` merged over it
/// (RFC 7386; `null` changes nothing). Keys are those of the runtime's genesis
/// configuration: `{"balances": {"balances": […]}, …}`.
pub fn from_preset(preset: &str, patch: serde_json::Value) -> Result<Genesis, GenesisError> {
    let mut config = preset_json(None)?.ok_or_else(|| unknown(preset))?;
    let preset_patch = preset_json(Some(preset))?.ok_or_else(|| unknown(preset))?;
    merge(&mut config, preset_patch);
    if !patch.is_null() {
        merge(&mut config, patch);
    }
    let mut state = BasicExternalities::new_empty();
    let built = crate::state::catch(|| {
        state.execute_with(|| {
            call::<Result<(), String>>(
                "GenesisBuilder_build_state",
                config.to_string().into_bytes(),
            )
        })
    })
    .map_err(|panic| GenesisError::Refused(panic.0))??;
    built.map_err(GenesisError::Refused)?;
    Ok(state.into_storages().top)
}

fn preset_json(name: Option<&str>) -> Result<Option<serde_json::Value>, GenesisError> {
    let json: Option<Vec<u8>> = call("GenesisBuilder_get_preset", name.map(PresetId::from))?;
    Ok(json.map(|json| serde_json::from_slice(&json)).transpose()?)
}

fn unknown(name: &str) -> GenesisError {
    GenesisError::UnknownPreset {
        name: name.to_owned(),
        known: phat_runtime::presets::names(),
    }
}

fn call<R: Decode>(method: &'static str, argument: impl Encode) -> Result<R, GenesisError> {
    let answer = dispatch(method, &argument.encode()).unwrap_or_default();
    R::decode(&mut answer.as_slice()).map_err(|source| GenesisError::Answer { method, source })
}

/// JSON merge patch: objects merge, `null` removes, everything else replaces.
fn merge(base: &mut serde_json::Value, patch: serde_json::Value) {
    match (base, patch) {
        (serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(serde_json::Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let plain = from_preset("development", json!(null)).expect("the preset builds");
        let patched = from_preset("development", json!({ "timing": { "slotDuration": 9000 } }))
            .expect("the patched preset builds");
        let differing = plain
            .iter()
            .filter(|(key, value)| patched.get(*key) != Some(value))
            .count();
        assert_eq!((plain.len(), differing), (patched.len(), 1));
    }

    #[test]
    fn an_unknown_preset_is_refused_with_those_there_are() {
        let error = from_preset("moon", json!(null)).expect_err("there is no such preset");
        assert!(error.to_string().contains("development"), "{error}");
    }

    #[test]
    fn a_configuration_the_runtime_cannot_read_is_refused() {
        let error = from_preset(
            "development",
            json!({ "timing": { "slotDuration": "long" } }),
        )
        .expect_err("a slot has a length in milliseconds");
        assert!(matches!(error, GenesisError::Refused(_)), "{error}");
        let error = from_preset("development", json!({ "timing": { "slotDuration": 0 } }))
            .expect_err("a slot has a length");
        assert!(error.to_string().contains("slotDuration"), "{error}");
    }
}
