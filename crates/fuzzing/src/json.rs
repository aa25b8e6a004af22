//! Places in a JSON document.

use crate::Input;
use serde_json::Value;

/// Some value in `json`, at most `depth` levels down, or `json` itself.
pub fn place<'j>(input: &mut Input<'_>, json: &'j mut Value, depth: usize) -> &'j mut Value {
    let mut place = json;
    for _ in 0..input.below(depth.saturating_add(1)) {
        let len = match &*place {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        if len == 0 {
            break;
        }
        let index = input.below(len);
        place = match place {
            Value::Array(items) => &mut items[index],
            Value::Object(fields) => fields.values_mut().nth(index).expect("it has as many"),
            _ => unreachable!("it has parts"),
        };
    }
    place
}
