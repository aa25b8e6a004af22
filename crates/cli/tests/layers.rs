//! The layers of the workspace: a crate may know those below it and no others.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

/// Every package of the workspace, from the bottom to the top, with the packages of the workspace
/// that it may depend on. Who stands in one group knows nobody else in it.
const LAYERS: &[(&str, &[&str])] = &[
    ("phat-primitives", &[]),
    ("phat-crypto", &["phat-primitives"]),
    // What is pure, and knows only what is below.
    ("phat-attestation", &["phat-primitives", "phat-crypto"]),
    ("phat-economy", &["phat-primitives"]),
    ("phat-engine", &["phat-primitives", "phat-crypto"]),
    ("phat-follower", &["phat-primitives", "phat-crypto"]),
    ("phat-prpc", &["phat-primitives", "phat-crypto"]),
    ("phat-scheduler", &[]),
    (
        "phat-cluster",
        &["phat-primitives", "phat-crypto", "phat-engine"],
    ),
    ("phat-store", &["phat-primitives", "phat-crypto"]),
    // Worker and client stand side by side. Neither knows a pallet or the runtime.
    (
        "phat-worker",
        &[
            "phat-primitives",
            "phat-crypto",
            "phat-attestation",
            "phat-engine",
            "phat-follower",
            "phat-prpc",
            "phat-scheduler",
            "phat-cluster",
            "phat-store",
        ],
    ),
    (
        "phat-client",
        &["phat-primitives", "phat-crypto", "phat-prpc"],
    ),
    // The chain.
    ("pallet-phat-messages", &["phat-primitives", "phat-crypto"]),
    (
        "pallet-phat-registry",
        &[
            "phat-primitives",
            "phat-crypto",
            "phat-attestation",
            "pallet-phat-messages",
        ],
    ),
    (
        "pallet-phat-clusters",
        &[
            "phat-primitives",
            "phat-crypto",
            "pallet-phat-messages",
            "pallet-phat-registry",
        ],
    ),
    (
        "pallet-phat-tokenomic",
        &[
            "phat-primitives",
            "pallet-phat-messages",
            "pallet-phat-clusters",
        ],
    ),
    (
        "pallet-phat-economy",
        &[
            "phat-primitives",
            "phat-economy",
            "pallet-phat-messages",
            "pallet-phat-registry",
            "pallet-phat-clusters",
        ],
    ),
    (
        "phat-runtime",
        &[
            "phat-primitives",
            "phat-attestation",
            "pallet-phat-messages",
            "pallet-phat-registry",
            "pallet-phat-clusters",
            "pallet-phat-tokenomic",
            "pallet-phat-economy",
        ],
    ),
    ("phat-solo", &["phat-primitives", "phat-runtime"]),
    // What tests share.
    ("phat-fuzzing", &[]),
    ("phat-weighing", &[]),
    // Builds contracts; knows nothing of what runs them.
    ("phat-bundle", &[]),
    // On everything.
    (
        "phat-cli",
        &[
            "phat-primitives",
            "phat-crypto",
            "phat-attestation",
            "phat-economy",
            "phat-engine",
            "phat-follower",
            "phat-prpc",
            "phat-scheduler",
            "phat-cluster",
            "phat-store",
            "phat-worker",
            "phat-client",
            "pallet-phat-messages",
            "pallet-phat-registry",
            "pallet-phat-clusters",
            "pallet-phat-tokenomic",
            "pallet-phat-economy",
            "phat-runtime",
            "phat-solo",
        ],
    ),
];

/// The packages of the workspace and what each depends on in it. Dependencies of tests are left out:
/// a test may use what is above to try what is below.
fn workspace() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let name = |package: &Value| package["name"].as_str().expect("a name").to_owned();
    let ours: BTreeSet<_> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let known = dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(name)
                .filter(|dependency| ours.contains(dependency))
                .collect();
            (name(package), known)
        })
        .collect()
}

#[test]
fn no_crate_knows_what_is_above_or_beside_it() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for (package, dependencies) in workspace() {
        let allowed = allowed.get(package.as_str()).unwrap_or_else(|| {
            panic!("{package} has no place in the layers: give it one in LAYERS")
        });
        for dependency in dependencies {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_table_itself_points_downwards() {
    let mut below = BTreeSet::new();
    for (package, dependencies) in LAYERS {
        for dependency in *dependencies {
            assert!(
                below.contains(dependency),
                "{dependency} is not below {package}"
            );
        }
        below.insert(package);
    }
    let members = workspace();
    let listed: BTreeSet<_> = LAYERS.iter().map(|(package, _)| *package).collect();
    let present: BTreeSet<_> = members.keys().map(String::as_str).collect();
    assert_eq!(
        listed, present,
        "the table lists the packages of the workspace"
    );
}
