//! Metadata of ink! 3, rewritten into the form of ink! 4. What changed from version to version:
//!
//! | version | of ink! | what is where |
//! |---|---|---|
//! | 0 | 3.0.0-rc1 to rc6 | `metadataVersion` tells it; types have no ids but are counted from 1, their parameters have no names, their variants no indices, and `phantom` is a type |
//! | 1 | 3.0.0-rc7 and rc8 | all but `source` and `contract` is inside `V1`; types as ink! 4 has them |
//! | 2 | 3.0.0-rc9 to 3.0.1 | `label` instead of `name`, and one text instead of a list |
//! | 3 | 3.1 to 3.4 | constructors say whether they are payable |
//!
//! Functions return their value as it is, without a `Result` of ink! around it, so nothing has to be
//! told apart later: the types say it.

use super::BundleError;
use serde_json::{Value as Json, json};

/// The version, if this is metadata of ink! 3.
pub(super) fn version(json: &Json) -> Option<u8> {
    match (1..=3).find(|version| json.get(key(*version)).is_some()) {
        None if json.get("metadataVersion").is_some() => Some(0),
        found => found,
    }
}

/// The name around everything since version 1.
fn key(version: u8) -> String {
    format!("V{version}")
}

/// Puts everything where ink! 4 has it.
pub(super) fn modernise(mut json: Json, version: u8) -> Result<Json, BundleError> {
    if version > 0 {
        let inner = json.get_mut(key(version)).map(Json::take);
        if let (Some(outer), Some(Json::Object(inner))) = (json.as_object_mut(), inner) {
            outer.extend(inner);
        }
        return Ok(json);
    }
    for part in ["spec", "types"] {
        if let Some(part) = json.get_mut(part) {
            modernise_types(part)?;
        }
    }
    if let Some(types) = json.get_mut("types").and_then(Json::as_array_mut) {
        for (id, ty) in types.iter_mut().enumerate() {
            *ty = json!({ "id": id, "type": ty.take() });
        }
    }
    Ok(json)
}

/// Rewrites what version 0 says about types, everywhere in `json`. The depth of JSON is limited where
/// it is parsed.
fn modernise_types(json: &mut Json) -> Result<(), BundleError> {
    match json {
        Json::Array(items) => items.iter_mut().try_for_each(modernise_types),
        Json::Object(entries) => {
            entries
                .iter_mut()
                .try_for_each(|(key, value)| match (key.as_str(), &mut *value) {
                    ("type", Json::Number(_)) => from_zero(value),
                    ("def", Json::Object(definition)) if definition.contains_key("phantom") => {
                        *value = json!({ "composite": {} });
                        Ok(())
                    }
                    ("tuple", Json::Array(types)) => types.iter_mut().try_for_each(from_zero),
                    ("params", Json::Array(types)) => types.iter_mut().try_for_each(|ty| {
                        from_zero(ty)?;
                        *ty = json!({ "name": "T", "type": ty.take() });
                        Ok(())
                    }),
                    ("variants", Json::Array(variants)) => {
                        for (position, variant) in variants.iter_mut().enumerate() {
                            let index = variant.get("discriminant").cloned();
                            if let Some(variant) = variant.as_object_mut() {
                                variant.insert("index".into(), index.unwrap_or(position.into()));
                            }
                            modernise_types(variant)?;
                        }
                        Ok(())
                    }
                    _ => modernise_types(value),
                })
        }
        _ => Ok(()),
    }
}

/// Turns the number of a type, counted from 1, into its id.
fn from_zero(number: &mut Json) -> Result<(), BundleError> {
    let id = number.as_u64().and_then(|number| number.checked_sub(1));
    *number = id
        .ok_or_else(|| BundleError::NotABundle {
            what: format!("{number} is not the number of a type"),
        })?
        .into();
    Ok(())
}
