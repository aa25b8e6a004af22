//! The contracts of a workspace, and a fingerprint of what each is made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// The crates by which a contract depends on ink!: since version 4, and before.
const INK: [&str; 2] = ["ink", "ink_lang"];

/// Why the contracts could not be listed or fingerprinted.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// cargo could not be started.
    #[error("could not run `cargo metadata`; is cargo on the PATH?")]
    Cargo(#[source] std::io::Error),
    /// cargo ran and refused.
    #[error("`cargo metadata` failed; it said: {0}")]
    Manifest(String),
    /// What cargo printed is not what we know.
    #[error("could not read the output of `cargo metadata`")]
    Output(#[source] serde_json::Error),
    /// A contract has no dependency on ink!, or leaves its version open.
    #[error("contract {0} must depend on one exact version of ink!, as in `ink = \"=5.1.1\"`")]
    Ink(String),
    /// A source file could not be read.
    #[error("could not read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The contracts of one workspace.
#[derive(Debug)]
pub struct Workspace {
    /// The folder of the workspace's manifest.
    pub root: PathBuf,
    /// Where cargo puts build outputs.
    pub target: PathBuf,
    /// The contracts, in the order of their names.
    pub contracts: Vec<Contract>,
}

/// One contract: a package that is built as a dynamic library.
#[derive(Debug)]
pub struct Contract {
    /// The package's name, which is the bundle's name too.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// The package's authors.
    pub authors: Vec<String>,
    /// The package's folder.
    pub folder: PathBuf,
    /// The version of ink! it is written in.
    pub ink: String,
    /// [`blake2_256`](crate::blake2_256) over everything the bundle is made
    /// from: the contract's files and those of the packages of this workspace
    /// that it uses, the workspace's manifest and its `Cargo.lock`.
    pub fingerprint: [u8; 32],
}

impl Contract {
    /// Whether it is written in ink! 3, which came as several crates.
    pub fn is_on_ink_3(&self) -> bool {
        self.ink.starts_with("3.")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    authors: Vec<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<PathBuf>,
}

impl Package {
    fn folder(&self) -> PathBuf {
        // A manifest always lies in a folder.
        self.manifest_path
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default()
    }

    fn is_contract(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    }
}

impl Workspace {
    /// Reads the workspace whose manifest lies in `root`.
    pub fn read(root: &Path) -> Result<Self, SourceError> {
        let output = Command::new(crate::toolchain::cargo())
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version",
                "1",
            ])
            .arg("--manifest-path")
            .arg(root.join("Cargo.toml"))
            .output()
            .map_err(SourceError::Cargo)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(SourceError::Manifest(said));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(SourceError::Output)?;

        let mut contracts = Vec::new();
        for package in metadata
            .packages
            .iter()
            .filter(|package| package.is_contract())
        {
            let ink = package
                .dependencies
                .iter()
                .find(|dependency| INK.contains(&dependency.name.as_str()))
                .and_then(|dependency| dependency.req.strip_prefix('='))
                .ok_or_else(|| SourceError::Ink(package.name.clone()))?;
            contracts.push(Contract {
                name: package.name.clone(),
                version: package.version.clone(),
                authors: package.authors.clone(),
                folder: package.folder(),
                ink: ink.to_owned(),
                fingerprint: fingerprint(&metadata, package)?,
            });
        }
        contracts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            contracts,
        })
    }
}

fn fingerprint(metadata: &Metadata, contract: &Package) -> Result<[u8; 32], SourceError> {
    let mut files = BTreeMap::new();
    for name in ["Cargo.toml", "Cargo.lock"] {
        add_file(
            &metadata.workspace_root,
            &metadata.workspace_root.join(name),
            &mut files,
        )?;
    }
    let mut folders = vec![contract.folder()];
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        add_folder(&metadata.workspace_root, &folder, &mut files)?;
        let used = metadata
            .packages
            .iter()
            .filter(|package| package.folder() == folder);
        for path in used
            .flat_map(|package| &package.dependencies)
            .filter_map(|d| d.path.clone())
        {
            if !folders.contains(&path) {
                folders.push(path);
            }
        }
        next += 1;
    }

    let mut all = Vec::new();
    for (path, content) in files {
        // Lengths first, so that nothing can move between a name and a content.
        for part in [path.as_bytes(), &content] {
            all.extend_from_slice(&(part.len() as u64).to_le_bytes());
            all.extend_from_slice(part);
        }
    }
    Ok(crate::blake2_256(&all))
}

/// Adds the manifest and the Rust files in `folder` and below.
fn add_folder(
    root: &Path,
    folder: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), SourceError> {
    let unreadable = |source| SourceError::Read {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            add_folder(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs")
            || path.file_name().is_some_and(|name| name == "Cargo.toml")
        {
            add_file(root, &path, files)?;
        }
    }
    Ok(())
}

fn add_file(
    root: &Path,
    path: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), SourceError> {
    let content = std::fs::read(path).map_err(|source| SourceError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path
        .strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/");
    files.insert(name, content);
    Ok(())
}
