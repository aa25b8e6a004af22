//! Has cargo compile a contract: to Wasm, and for this machine to get its
//! metadata.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::source::{Contract, Workspace};

/// What compiles to Wasm.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The toolchain's name in rustup; `wasm-toolchain.sh` installs [`WASM`].
    pub name: String,
    /// The target to compile for.
    pub target: String,
}

/// The name of the toolchain, unless told otherwise.
pub const WASM: &str = "wasm";

/// The target of the bundles that are committed.
pub const DEFAULT_TARGET: &str = "wasm32-unknown-unknown";

/// The stack of a contract in bytes, as `cargo-contract` sets it: a sixteenth of
/// its memory, so that the rest is for the heap.
const STACK_SIZE: usize = 64 * 1024;

/// Why a contract could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// A program could not be started.
    #[error("could not run {program}; is it installed?")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no toolchain for Wasm.
    #[error("rustup has no toolchain `{0}`; run contracts/wasm-toolchain.sh to install `{WASM}`")]
    Missing(String),
    /// The compiler refused the contract; it has said why on the terminal.
    #[error("compiling {0} failed; see the compiler's messages above")]
    Compile(String),
    /// The metadata is not JSON.
    #[error("the metadata of {contract} cannot be read")]
    Metadata {
        /// The contract.
        contract: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file could not be read or written.
    #[error("could not read or write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The cargo that runs us, or the one on the PATH.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

impl Toolchain {
    /// The compiler's version, such as `rustc 1.96.0`.
    pub fn compiler(&self) -> Result<String, ToolchainError> {
        let version = self.ask_compiler(&["--version"])?;
        Ok(version
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" "))
    }

    /// What the compiler prints.
    fn ask_compiler(&self, args: &[&str]) -> Result<String, ToolchainError> {
        let output = Command::new("rustup")
            .args(["run", &self.name, "rustc"])
            .args(args)
            .output()
            .map_err(|source| ToolchainError::Run {
                program: "rustup".into(),
                source,
            })?;
        if !output.status.success() {
            return Err(ToolchainError::Missing(self.name.clone()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Compiles `contract` and returns the module as the linker left it.
    pub fn compile(
        &self,
        workspace: &Workspace,
        contract: &Contract,
    ) -> Result<Vec<u8>, ToolchainError> {
        // `cargo-contract` also asks the linker to import the memory. With today's
        // linker that adds a start function which fills the memory with zeros, so
        // `module::reduce` turns the memory into an import instead.
        let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK_SIZE}")];
        // Panic messages name source files. Without this, the bundle would depend on
        // where the builder keeps them.
        flags.extend(
            registries()?
                .into_iter()
                .map(|folder| format!("--remap-path-prefix={}=crates", folder.display())),
        );
        let sysroot = self.ask_compiler(&["--print", "sysroot"])?;
        flags.push(format!(
            "--remap-path-prefix={sysroot}/lib/rustlib/src/rust=rust"
        ));

        let status = Command::new("rustup")
            .args(["run", &self.name, "cargo", "build", "--release", "--locked"])
            .args([
                "--no-default-features",
                "--package",
                &contract.name,
                "--target",
                &self.target,
            ])
            .arg("--target-dir")
            .arg(&workspace.target)
            .current_dir(&workspace.root)
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            // `pink` 0.4 asks for an unstable feature when it is built without std.
            .env("RUSTC_BOOTSTRAP", "1")
            .status()
            .map_err(|source| ToolchainError::Run {
                program: "rustup".into(),
                source,
            })?;
        if !status.success() {
            return Err(ToolchainError::Compile(contract.name.clone()));
        }
        read(
            &workspace
                .target
                .join(&self.target)
                .join("release")
                .join(format!("{}.wasm", contract.name)),
        )
    }
}

/// The folders in which cargo keeps the sources of published crates.
fn registries() -> Result<Vec<PathBuf>, ToolchainError> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default();
    let path = home.join("registry").join("src");
    let failed = |source| ToolchainError::File {
        path: path.clone(),
        source,
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        folders.push(entry.map_err(failed)?.path());
    }
    Ok(folders)
}

/// The metadata of `contract`: what its bundle holds besides code and names.
///
/// ink! generates a function that returns it in the contract's own crate. So a
/// program is needed that links the contract for this machine and calls it.
pub fn metadata(
    workspace: &Workspace,
    contract: &Contract,
) -> Result<Map<String, Value>, ToolchainError> {
    let folder = workspace.target.join("metadata").join(&contract.name);
    write(&folder.join("Cargo.toml"), manifest(contract).as_bytes())?;
    write(&folder.join("main.rs"), program(contract).as_bytes())?;
    write(
        &folder.join("Cargo.lock"),
        &read(&workspace.root.join("Cargo.lock"))?,
    )?;
    let output = Command::new(cargo())
        .args(["run", "--quiet", "--offline", "--target-dir"])
        .arg(&workspace.target)
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        // OpenBrush 3 asks for an unstable feature.
        .env("RUSTC_BOOTSTRAP", "1")
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|source| ToolchainError::Run {
            program: "cargo".into(),
            source,
        })?;
    if !output.status.success() {
        return Err(ToolchainError::Compile(contract.name.clone()));
    }
    serde_json::from_slice(&output.stdout).map_err(|source| ToolchainError::Metadata {
        contract: contract.name.clone(),
        source,
    })
}

/// The program that prints a contract's metadata.
fn program(contract: &Contract) -> String {
    let metadata = if contract.is_on_ink_3() {
        "ink::MetadataVersioned"
    } else {
        "ink::metadata::InkProject"
    };
    format!(
        r#"use contract as _;

extern "Rust" {{
    fn __ink_generate_metadata() -> {metadata};
}}

fn main() {{
    let metadata = unsafe {{ __ink_generate_metadata() }};
    println!("{{}}", serde_json::to_string(&metadata).unwrap());
}}
"#
    )
}

/// The manifest of that program.
fn manifest(contract: &Contract) -> String {
    let Contract {
        name, ink, folder, ..
    } = contract;
    let package = if contract.is_on_ink_3() {
        "ink_metadata"
    } else {
        "ink"
    };
    format!(
        r#"[package]
name = "metadata-of-{name}"
version = "0.0.0"
edition = "2021"

[[bin]]
name = "metadata-of-{name}"
path = "main.rs"

[dependencies]
contract = {{ package = "{name}", path = {folder:?} }}
ink = {{ package = "{package}", version = "={ink}" }}
serde_json = "1"

[workspace]
"#
    )
}

fn read(path: &Path) -> Result<Vec<u8>, ToolchainError> {
    std::fs::read(path).map_err(|source| ToolchainError::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, content: &[u8]) -> Result<(), ToolchainError> {
    let failed = |source| ToolchainError::File {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, content).map_err(failed)
}
