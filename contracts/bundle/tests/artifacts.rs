//! The committed bundles: there is one for each contract, built from the sources
//! that are there, and what does not belong to its sources is noticed.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

use std::path::{Path, PathBuf};

use phat_bundle::bundle::{Bundle, BundleError};
use phat_bundle::source::{Contract, Workspace};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The workspaces of contracts: of today's libraries and of those of years ago.
fn workspaces() -> [Workspace; 2] {
    [root(), root().join("legacy")].map(|root| Workspace::read(&root).unwrap())
}

fn committed(workspace: &Workspace, contract: &Contract) -> Bundle {
    let path = workspace
        .root
        .join("artifacts")
        .join(format!("{}.contract", contract.name));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run phat-bundle", path.display()));
    Bundle::from_text(&text).unwrap()
}

/// A contract and its bundle, to spoil.
fn sample() -> (Contract, Bundle) {
    let mut workspace = Workspace::read(&root()).unwrap();
    let at = workspace
        .contracts
        .iter()
        .position(|contract| contract.name == "flipper")
        .unwrap();
    let contract = workspace.contracts.swap_remove(at);
    let bundle = committed(&workspace, &contract);
    (contract, bundle)
}

#[test]
fn every_contract_has_a_bundle_of_its_present_sources() {
    for workspace in workspaces() {
        assert!(workspace.contracts.len() >= 3);
        for contract in &workspace.contracts {
            let shape = committed(&workspace, contract)
                .check(contract)
                .unwrap_or_else(|error| panic!("{}: {error}", contract.name));
            assert!(!shape.imports.is_empty(), "{} does nothing", contract.name);
        }
    }
}

#[test]
fn every_bundle_belongs_to_a_contract() {
    for workspace in workspaces() {
        for entry in std::fs::read_dir(workspace.root.join("artifacts")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let mut contracts = workspace.contracts.iter();
            assert!(
                contracts.any(|contract| contract.name == name),
                "{} is left over",
                path.display()
            );
        }
    }
}

#[test]
fn no_bundle_names_a_folder_of_the_machine_that_built_it() {
    let [today, legacy] = workspaces();
    let codes = [&today, &legacy].into_iter().flat_map(|workspace| {
        let contracts = workspace.contracts.iter();
        contracts.map(|contract| (contract, committed(workspace, contract).code().unwrap()))
    });
    for (contract, code) in codes {
        for place in ["/root", "/home", "/Users", ".cargo", "registry"] {
            let found = code
                .windows(place.len())
                .any(|bytes| bytes == place.as_bytes());
            assert!(!found, "{} contains {place}", contract.name);
        }
    }
}

#[test]
fn a_bundle_of_other_sources_is_stale() {
    let (mut contract, bundle) = sample();
    assert!(bundle.check(&contract).is_ok());
    contract.fingerprint[0] ^= 1;
    assert!(matches!(bundle.check(&contract), Err(BundleError::Stale)));
}

#[test]
fn code_that_was_exchanged_is_noticed() {
    let (contract, mut bundle) = sample();
    let mut code = bundle.code().unwrap();
    *code.last_mut().unwrap() ^= 1;
    bundle.0["source"]["wasm"] = Value::String(format!("0x{}", hex::encode(code)));
    assert!(matches!(bundle.check(&contract), Err(BundleError::Hash)));
}

#[test]
fn a_bundle_without_proper_code_is_refused() {
    let (contract, bundle) = sample();
    for bad in [
        Value::Null,
        "".into(),
        "0x0".into(),
        "00".into(),
        "0xzz".into(),
        7.into(),
    ] {
        let mut bundle = bundle.clone();
        bundle.0["source"]["wasm"] = bad;
        assert!(matches!(
            bundle.check(&contract),
            Err(BundleError::Part("source.wasm"))
        ));
    }
    let mut bundle = bundle;
    bundle.0.remove("source");
    assert!(matches!(
        bundle.check(&contract),
        Err(BundleError::Part("source.wasm"))
    ));
    for text in ["", "{", "[]", "null", "{}x"] {
        assert!(
            matches!(Bundle::from_text(text), Err(BundleError::Json(_))),
            "{text:?}"
        );
    }
}

#[test]
fn a_change_of_any_source_changes_the_fingerprint() {
    let folder = std::env::temp_dir().join(format!("phat-bundle-{}", std::process::id()));
    let write = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nresolver = \"2\"\nmembers = [\"one\", \"used\"]\n",
    );
    write("Cargo.lock", "version = 4\n");
    write(
        "one/Cargo.toml",
        "[package]\nname = \"one\"\nversion = \"1.0.0\"\n[lib]\npath = \"lib.rs\"\n\
         crate-type = [\"cdylib\"]\n[dependencies]\nink = \"=5.1.1\"\nused = { path = \"../used\" }\n",
    );
    write("one/lib.rs", "");
    write(
        "used/Cargo.toml",
        "[package]\nname = \"used\"\nversion = \"1.0.0\"\n",
    );
    write("used/src/lib.rs", "");
    let fingerprint = || {
        let contracts = Workspace::read(&folder).unwrap().contracts;
        assert_eq!(
            contracts.len(),
            1,
            "a package that is no dynamic library is no contract"
        );
        assert_eq!(
            (contracts[0].name.as_str(), contracts[0].ink.as_str()),
            ("one", "5.1.1")
        );
        contracts[0].fingerprint
    };

    let mut seen = vec![fingerprint()];
    assert_eq!(
        fingerprint(),
        seen[0],
        "the same sources have the same fingerprint"
    );
    for (name, content) in [
        ("one/lib.rs", "// changed"),
        ("one/more/new.rs", ""),
        ("used/src/lib.rs", "// changed"),
        (
            "used/Cargo.toml",
            "[package]\nname = \"used\"\nversion = \"1.0.1\"\n",
        ),
        ("Cargo.lock", "version = 4\n# changed\n"),
    ] {
        write(name, content);
        let changed = fingerprint();
        assert!(!seen.contains(&changed), "{name} does not count");
        seen.push(changed);
    }
    write("one/notes.md", "not a source");
    assert_eq!(fingerprint(), *seen.last().unwrap());
    std::fs::remove_dir_all(folder).unwrap();
}
