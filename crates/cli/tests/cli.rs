//! The program as somebody at a terminal, or a script, meets it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn phat(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phat"))
        .args(args)
        .env("XDG_DATA_HOME", folder)
        .env_remove("PHAT_SURI")
        .output()
        .unwrap()
}

fn in_new_folder(args: &[&str]) -> Output {
    phat(tempfile::tempdir().unwrap().path(), args)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn token() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/token.contract")
}

/// An address where nothing listens: a port that was free a moment ago.
fn nothing_there() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("ws://{}", listener.local_addr().unwrap())
}

#[test]
fn help_shows_every_command_and_examples() {
    let help = in_new_folder(&["--help"]);
    assert!(help.status.success());
    let text = stdout(&help);
    for word in [
        "dev",
        "accounts",
        "contracts",
        "workers",
        "status",
        "upload",
        "deploy",
        "query",
        "call",
        "transfer",
        "receipt",
        "stake",
        "unstake",
        "cluster",
        "economy",
        "--suri",
        "--chain",
        "--worker",
        "--json",
        "Examples:",
    ] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
    for command in [
        "deploy",
        "query",
        "call",
        "transfer",
        "upload",
        "receipt",
        "accounts",
        "stake contract",
        "unstake contract",
        "cluster policy",
    ] {
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let text = stdout(&in_new_folder(&words));
        assert!(
            text.contains("Example"),
            "{command} has no example:\n{text}"
        );
    }
}

#[test]
fn nothing_listening_names_the_address_and_what_to_start() {
    let url = nothing_there();
    for command in [
        &["status"][..],
        &["accounts"],
        &["contracts"],
        &["workers"],
        &["query", "token", "balance_of", "//Alice"],
        &["call", "token", "transfer", "//Bob", "1", ""],
        &["transfer", "1PHA", "//Bob"],
        &["receipt", "1"],
        &[
            "deploy",
            token().to_str().unwrap(),
            "1",
            "Token",
            "TKN",
            "12",
        ],
    ] {
        let failed = in_new_folder(&[command, &["--chain", &url]].concat());
        assert_eq!(failed.status.code(), Some(1), "{command:?}");
        assert_eq!(stdout(&failed), "", "{command:?}");
        let said = stderr(&failed);
        assert!(
            said.contains(&url) && said.contains("phat dev"),
            "{command:?}: {said}"
        );
    }
}

#[test]
fn in_a_pipe_there_are_no_colours() {
    let failed = in_new_folder(&["status", "--chain", &nothing_there()]);
    assert!(stderr(&failed).starts_with("error: "));
    assert!(!stderr(&failed).contains('\u{1b}'));
}

#[test]
fn for_programs_an_error_is_json_too() {
    let failed = in_new_folder(&["status", "--json", "--chain", &nothing_there()]);
    assert!(!failed.status.success());
    assert_eq!(stdout(&failed), "");
    let error: serde_json::Value = serde_json::from_str(&stderr(&failed)).unwrap();
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("no chain answers")
    );
}

#[test]
fn a_file_that_is_no_bundle_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let url = nothing_there();
    let deploy = |name: &str, content: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let failed = phat(
            folder.path(),
            &["deploy", path.to_str().unwrap(), "--chain", &url],
        );
        assert_eq!(failed.status.code(), Some(1));
        let said = stderr(&failed);
        assert!(said.contains(name), "{said}");
        said
    };
    assert!(deploy("missing.contract", None).contains("cannot read"));
    assert!(deploy("broken.contract", Some(b"no bundle")).contains("not JSON"));
    assert!(deploy("code.wasm", Some(b"\0asm\x01\0\0\0")).contains("metadata.json"));
    assert!(deploy("other.json", Some(b"{}")).contains("not a contract bundle"));
    assert!(deploy("old.json", Some(b"{\"V0\": {}}")).contains("not a contract bundle"));
}

#[test]
fn a_wrong_secret_is_not_repeated() {
    let failed = in_new_folder(&["call", "token", "flip", "--suri", "a phrase nobody has"]);
    assert_eq!(failed.status.code(), Some(1));
    let said = stderr(&failed);
    assert!(said.contains("--suri"), "{said}");
    assert!(!said.contains("nobody"), "{said}");
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    for args in [
        &["query"][..],
        &["nonsense"],
        &["transfer", "many", "//Bob"],
        &["receipt", "x"],
    ] {
        let failed = in_new_folder(args);
        assert_eq!(failed.status.code(), Some(2), "{args:?}");
        assert!(stderr(&failed).contains("--help"), "{args:?}");
    }
}

#[test]
fn code_without_a_description_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("lonely.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let wasm = path("lonely.wasm").display().to_string();
    let alone = stderr(&phat(folder.path(), &["deploy", &wasm]));
    assert!(alone.contains("metadata.json"), "{alone}");
    // Beside it lies the description of another one.
    let bundle: serde_json::Value =
        serde_json::from_slice(&std::fs::read(token()).unwrap()).unwrap();
    std::fs::write(path("lonely.json"), bundle.to_string()).unwrap();
    let other = stderr(&phat(folder.path(), &["deploy", &wasm]));
    assert!(
        other.contains("lonely.json") && other.contains("hash"),
        "{other}"
    );
}

#[test]
fn a_scenario_is_answered_with_json_alone() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../economy/tests/scenarios");
    for name in ["the_page", "a_life", "large_numbers"] {
        let file = scenarios.join(format!("{name}.json"));
        let answer = std::fs::read_to_string(scenarios.join(format!("{name}.answer.json")));
        let done = in_new_folder(&["economy", "simulate", file.to_str().unwrap()]);
        assert!(done.status.success(), "{}", stderr(&done));
        assert_eq!(stdout(&done), answer.unwrap());
        assert_eq!(stderr(&done), "");
    }
}

#[test]
fn a_scenario_with_a_mistake_is_refused_with_file_place_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.json");
    std::fs::write(&path, "{\n  \"eras\": [],\n  \"era\": []\n}").unwrap();
    let failed = phat(
        folder.path(),
        &["economy", "simulate", path.to_str().unwrap()],
    );
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(stdout(&failed), "");
    let said = stderr(&failed);
    for word in ["scenario.json", "line 3, column 10", "/era", "unknown key"] {
        assert!(said.contains(word), "{word} is missing:\n{said}");
    }
    let missing = folder.path().join("none.json");
    let failed = phat(
        folder.path(),
        &["economy", "simulate", missing.to_str().unwrap()],
    );
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("none.json"));
}
