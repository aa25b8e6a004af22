//! The system contract answers to what existing clients call.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::collections::BTreeSet;

use phat_bundle::bundle::Bundle;
use serde_json::Value;

const SYSTEM: &str = include_str!("../../artifacts/system.contract");
const KNOWN_TO_CLIENTS: &str = include_str!("system-interface.txt");

/// Renders the interface in a bundle's metadata, line by line.
struct Renderer<'a> {
    types: &'a [Value],
    /// The types that were met and are to be rendered too.
    named: BTreeSet<u64>,
}

impl Renderer<'_> {
    fn lines(metadata: &Value) -> BTreeSet<String> {
        let types = metadata["types"].as_array().unwrap();
        let mut renderer = Renderer {
            types,
            named: BTreeSet::new(),
        };
        let mut lines = BTreeSet::new();
        for list in ["constructors", "messages"] {
            for item in metadata["spec"][list].as_array().unwrap() {
                let mutates = if item["mutates"] == true { "mut " } else { "" };
                let args = item["args"].as_array().unwrap();
                let args: Vec<_> = args
                    .iter()
                    .map(|arg| renderer.name(&arg["type"]["type"]))
                    .collect();
                let output = renderer.name(&item["returnType"]["type"]);
                let (selector, label) = (text(&item["selector"]), text(&item["label"]));
                lines.insert(format!(
                    "{selector} {mutates}{label}({}) -> {output}",
                    args.join(", ")
                ));
            }
        }
        let mut next = 0;
        while let Some(id) = renderer.named.iter().copied().find(|id| *id >= next) {
            lines.extend(renderer.definition(id));
            next = id + 1;
        }
        lines
    }

    fn resolve(&self, id: u64) -> &Value {
        &self.types.iter().find(|entry| entry["id"] == id).unwrap()["type"]
    }

    fn name(&mut self, id: &Value) -> String {
        let id = id.as_u64().unwrap();
        let resolved = self.resolve(id).clone();
        let (kind, definition) = resolved["def"].as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "primitive" => text(definition),
            "tuple" => self.list("(", definition, |item| item, ")"),
            "array" => format!(
                "[{}; {}]",
                self.name(&definition["type"]),
                definition["len"]
            ),
            "sequence" => format!("Vec<{}>", self.name(&definition["type"])),
            _ => match text(resolved["path"].as_array().unwrap().last().unwrap()) {
                generic if generic == "Option" || generic == "Result" => self.list(
                    &(generic + "<"),
                    &resolved["params"],
                    |item| &item["type"],
                    ">",
                ),
                name => {
                    self.named.insert(id);
                    name
                }
            },
        }
    }

    fn list(&mut self, open: &str, items: &Value, id: fn(&Value) -> &Value, close: &str) -> String {
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<_> = items.iter().map(|item| self.name(id(item))).collect();
        format!("{open}{}{close}", names.join(", "))
    }

    fn definition(&mut self, id: u64) -> Vec<String> {
        let resolved = self.resolve(id).clone();
        let name = text(resolved["path"].as_array().unwrap().last().unwrap());
        match resolved["def"]["variant"]["variants"].as_array() {
            None => {
                let fields = &resolved["def"]["composite"]["fields"];
                vec![name + &self.list("(", fields, |field| &field["type"], ")")]
            }
            Some(variants) => variants
                .iter()
                .map(|variant| {
                    let fields = self.list("(", &variant["fields"], |field| &field["type"], ")");
                    format!(
                        "{name} {} {}{fields}",
                        variant["index"],
                        text(&variant["name"])
                    )
                })
                .collect(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn clients_find_every_message_and_type_they_know() {
    let offered = Renderer::lines(&serde_json::from_str(SYSTEM).unwrap());
    let known: Vec<_> = KNOWN_TO_CLIENTS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert!(known.len() > 30, "the list of what clients know is there");
    for line in known {
        assert!(
            offered.contains(line),
            "missing: {line}\noffered: {offered:#?}"
        );
    }
}

#[test]
fn clusters_find_the_constructor_they_call() {
    let bundle = Bundle::from_text(SYSTEM).unwrap();
    assert_eq!(
        bundle.selectors("constructors"),
        [("default", "0xed4b9d1b")]
    );
}
