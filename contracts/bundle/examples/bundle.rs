//! `cargo bundle`: builds the contracts' bundles, or checks the ones there are.
//!
//! It is an example target and not a binary, so that `cargo run` in this workspace means `phat`; the
//! alias is in `.cargo/config.toml`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use phat_bundle::bundle::{Bundle, BundleError};
use phat_bundle::module;
use phat_bundle::source::{Contract, Workspace};
use phat_bundle::toolchain::{self, Toolchain};

/// Builds ink! contracts into .contract bundles.
#[derive(Parser)]
struct Args {
    /// The contracts to build; all of them if none is named
    contracts: Vec<String>,
    /// Build nothing: check that the bundles are there, valid and up to date
    #[arg(long)]
    check: bool,
    /// The target to build for; wasm32v1-none makes code for old hosts
    #[arg(long, default_value = toolchain::DEFAULT_TARGET)]
    target: String,
    /// The rustup toolchain to build with
    #[arg(long, default_value = toolchain::WASM)]
    toolchain: String,
    /// The workspace of the contracts
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    workspace: PathBuf,
    /// Where the bundles are; by default the workspace's folder `artifacts`
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::read(&args.workspace)?;
    if let Some(unknown) = args
        .contracts
        .iter()
        .find(|name| workspace.contracts.iter().all(|c| c.name != **name))
    {
        let known: Vec<_> = workspace
            .contracts
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        return Err(format!("there is no contract {unknown}, only {}", known.join(", ")).into());
    }
    for contract in &workspace.contracts {
        if args.contracts.is_empty() || args.contracts.contains(&contract.name) {
            bundle(args, &workspace, contract).inspect_err(|_| {
                eprintln!("{}: failed", contract.name);
            })?;
        }
    }
    Ok(())
}

fn bundle(args: &Args, workspace: &Workspace, contract: &Contract) -> Result<(), Box<dyn Error>> {
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| workspace.root.join("artifacts"));
    let path = out.join(format!("{}.contract", contract.name));
    let bundle = if args.check {
        let text = std::fs::read_to_string(&path).map_err(|source| BundleError::Read {
            path: path.clone(),
            source,
        })?;
        Bundle::from_text(&text)?
    } else {
        let toolchain = Toolchain {
            name: args.toolchain.clone(),
            target: args.target.clone(),
        };
        let compiler = toolchain.compiler()?;
        let code = module::reduce(&toolchain.compile(workspace, contract)?)?;
        let metadata = toolchain::metadata(workspace, contract)?;
        let bundle = Bundle::new(contract, &code, metadata, &compiler, &toolchain.target)?;
        std::fs::create_dir_all(&out)?;
        std::fs::write(&path, bundle.to_text()?)?;
        bundle
    };
    let shape = bundle.check(contract)?;
    let needs = match shape.needs.len() {
        0 => "nothing beyond the first Wasm".to_owned(),
        _ => shape.needs.into_iter().collect::<Vec<_>>().join(", "),
    };
    println!(
        "{}: {} bytes of code; needs {needs}",
        contract.name,
        bundle.code()?.len()
    );
    Ok(())
}
