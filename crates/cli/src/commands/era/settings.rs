//! `phat era settings`: what governance has set, as the JSON document by which it is set.

use super::govern;
use crate::{
    book::read_limited,
    context::Context,
    error::CliError,
    refusal::Refusal,
    report::{Report, waiting},
};
use phat_client::chain::economy::{EconomyCall, Settings};
use serde_json::{Value as Json, json};

/// Shows or sets.
pub(super) async fn run(context: &Context, document: Option<&str>) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let Some(document) = document else {
        let json = json!(economy.settings);
        return Ok(Report::new(format!("{json:#}"), json));
    };
    let settings = changed(&economy.settings, &read(document)?)?;
    let json = json!(settings);
    let call = EconomyCall::SetSettings(Box::new(settings));
    let submitted = govern(context, &chain, vec![call]).await?;
    let text = format!(
        "set, in block {}: α, f and g count from the next era on, the rest at once\n{json:#}",
        submitted.block
    );
    Ok(Report::new(text, json))
}

/// The document itself, or the file that it names.
fn read(document: &str) -> Result<Vec<u8>, CliError> {
    if document.trim_start().starts_with('{') {
        return Ok(document.as_bytes().to_vec());
    }
    read_limited(document.as_ref()).map_err(|source| CliError::File {
        path: document.into(),
        source,
    })
}

/// The settings with what a document names changed.
fn changed(settings: &Settings, document: &[u8]) -> Result<Settings, Refusal> {
    let wrong = |error: serde_json::Error| Refusal::Settings(error.to_string());
    let patch: Json = serde_json::from_slice(document).map_err(wrong)?;
    let mut all = json!(settings);
    merge(&mut all, patch);
    serde_json::from_value(all).map_err(wrong)
}

/// Objects merge, everything else replaces. So do f and g, which are of one family or another.
fn merge(base: &mut Json, patch: Json) {
    match (base, patch) {
        (Json::Object(base), Json::Object(patch)) => {
            for (key, value) in patch {
                match base.get_mut(&key) {
                    Some(present) if key != "f" && key != "g" => merge(present, value),
                    _ => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, patch) => *base = patch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_client::chain::economy::{CapacityReward, Parameters, PopularityReward, Slashes};

    fn settings() -> Settings {
        Settings {
            parameters: Parameters {
                reserved: 5,
                f: CapacityReward::Linear {
                    base: 1,
                    per_confidence: 2,
                    per_power: 3,
                },
                g: PopularityReward::Linear { per_point: 4 },
            },
            era_ms: 1_000,
            heartbeat_ms: 500,
            handover_ms: 500,
            cool_down: 2,
            unbonding: 2,
            minimum_deposit: 10,
            minimum_stake: 1,
            slashes: Slashes {
                missed: 1,
                lapsed: 2,
                diverged: 3,
            },
        }
    }

    #[test]
    fn what_a_document_does_not_name_stays() {
        let document = br#"{ "era_ms": 9, "slashes": { "lapsed": "7" },
            "parameters": { "f": { "product": { "rate": "6", "unit": "100" } } } }"#;
        let mut expected = settings();
        expected.era_ms = 9;
        expected.slashes.lapsed = 7;
        expected.parameters.f = CapacityReward::Product { rate: 6, unit: 100 };
        assert_eq!(changed(&settings(), document).unwrap(), expected);
        assert_eq!(changed(&settings(), b"{}").unwrap(), settings());
    }

    #[test]
    fn a_mistake_in_a_document_is_named() {
        for (document, named) in [
            ("{", "EOF"),
            (r#"{ "length": 5 }"#, "length"),
            (r#"{ "era_ms": -5 }"#, "number"),
            (r#"{ "era_ms": "5" }"#, "string"),
            (r#"{ "minimum_stake": 5 }"#, "number"),
            (r#"{ "minimum_stake": "+5" }"#, "+5"),
            (
                r#"{ "minimum_stake": "340282366920938463463374607431768211456" }"#,
                "at most",
            ),
            (r#"{ "parameters": { "f": { "cubic": {} } } }"#, "cubic"),
            (
                r#"{ "parameters": { "f": { "linear": {}, "product": {} } } }"#,
                "f",
            ),
            (
                r#"{ "parameters": { "g": { "linear": { "per_pint": "1" } } } }"#,
                "per_pint",
            ),
            (r#"{ "slashes": { "mised": "1" } }"#, "mised"),
            ("[]", "struct"),
        ] {
            let error = changed(&settings(), document.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(named), "{document}: {error}");
        }
    }
}
