//! What operators are given can be read by the programs it is for, and says what it must.

use std::{fs, path::Path};

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../operators")
        .join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Gramine fills in what is between braces; everything else is TOML before as after.
#[test]
fn the_gramine_manifest_is_toml_and_leaves_the_host_no_say() {
    let manifest: toml::Table = read("phat.manifest.template")
        .parse()
        .unwrap_or_else(|error| panic!("{error}"));
    let sgx = manifest["sgx"].as_table().expect("a table");
    assert_eq!(sgx["debug"].as_bool(), Some(false));
    assert_eq!(sgx["remote_attestation"].as_str(), Some("dcap"));
    let loader = manifest["loader"].as_table().expect("a table");
    for dangerous in ["insecure__use_cmdline_argv", "insecure__use_host_env"] {
        assert_eq!(loader[dangerous].as_bool(), Some(false), "{dangerous}");
    }
    assert!(!sgx.contains_key("insecure__allow_eventfd"));
    assert!(
        !sgx.contains_key("file_check_policy"),
        "the strict one is the default"
    );
    let argv = loader["argv"].as_array().expect("a list");
    assert_eq!(argv[1].as_str(), Some("worker"));
    let mounts = manifest["fs"]["mounts"].as_array().expect("a list");
    assert!(
        mounts
            .iter()
            .all(|mount| mount["path"].is_str() && mount["uri"].is_str())
    );
    // The host may write to the worker's records, which it cannot read or change unnoticed, and to
    // nothing else.
    let allowed = sgx["allowed_files"].as_array().expect("a list");
    assert_eq!(allowed.len(), 1);
    assert_eq!(allowed[0].as_str(), Some("file:{{ data }}/"));
}

/// Sections, assignments, continued lines and comments: what systemd and mkosi read.
fn sections(file: &str) -> Vec<String> {
    let text = read(file);
    let mut sections = Vec::new();
    let mut continued = false;
    for line in text.lines() {
        let is_comment = line.starts_with('#') || line.trim().is_empty();
        let is_value_below = line.starts_with(' ') && !sections.is_empty();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            sections.push(name.to_owned());
        } else if !(is_comment || continued || is_value_below) {
            let (key, _) = line
                .split_once('=')
                .unwrap_or_else(|| panic!("{file}: {line}"));
            assert!(
                !sections.is_empty() && key.chars().all(char::is_alphanumeric),
                "{file}: {line}"
            );
        }
        continued = line.ends_with('\\');
    }
    assert!(!continued, "{file} ends in the middle of a line");
    sections
}

#[test]
fn the_description_of_the_tdx_guest_is_in_the_form_of_its_readers() {
    let units = "tdx/mkosi.extra/usr/lib/systemd/system";
    for (file, expected) in [
        (
            "tdx/mkosi.conf".to_owned(),
            &["Distribution", "Output", "Content", "Validation"][..],
        ),
        ("tdx/mkosi.repart/00-root.conf".to_owned(), &["Partition"]),
        (
            "tdx/mkosi.repart/10-root-verity.conf".to_owned(),
            &["Partition"],
        ),
        (
            format!("{units}/phat-worker.service"),
            &["Unit", "Service", "Install"],
        ),
        (format!("{units}/phat-key.service"), &["Unit", "Service"]),
        (format!("{units}/var-lib-phat.mount"), &["Unit", "Mount"]),
    ] {
        assert_eq!(sections(&file), expected, "{file}");
    }
}

#[test]
fn nothing_that_the_host_provides_is_run_as_a_program_of_the_guest() {
    let unit = read("tdx/mkosi.extra/usr/lib/systemd/system/phat-worker.service");
    let code: Vec<_> = unit.lines().filter(|line| !line.starts_with('#')).collect();
    let code = code.join("\n");
    for dangerous in ["EnvironmentFile", "eval", "source ", "; . ", "set -a"] {
        assert!(!code.contains(dangerous), "{dangerous}");
    }
}
