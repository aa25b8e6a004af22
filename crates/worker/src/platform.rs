//! What a machine has to prove itself with, and to keep a secret with.

use crate::{
    attest::{Attester, QuoteAttester, SoftwareAttester},
    collateral::{CollateralError, Pccs},
    quoting::{Gramine, Tsm},
    sealing::{SealError, Sealer},
};
use std::{path::Path, sync::Arc};

/// Makes the worker's evidence, and seals its identity.
pub struct Platform {
    /// Makes its evidence.
    pub attester: Arc<dyn Attester>,
    /// Seals its identity.
    pub sealer: Sealer,
}

/// Why a platform cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// There is no sealing key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The service for collateral cannot be used.
    #[error(transparent)]
    Collateral(#[from] CollateralError),
}

impl Platform {
    /// No TEE at all: software evidence, and a sealing key in `directory`, which must be there. For
    /// development.
    pub fn software(attester: SoftwareAttester, directory: &Path) -> Result<Self, PlatformError> {
        Ok(Self {
            attester: Arc::new(attester),
            sealer: Sealer::development(directory)?,
        })
    }

    /// An SGX enclave in Gramine, whose files are in `root` ([`Gramine::ROOT`]). Collateral comes from
    /// the service at `pccs` ([`Pccs::INTEL`] if in doubt) and is kept in `directory`.
    pub fn gramine(root: &Path, pccs: &str, directory: &Path) -> Result<Self, PlatformError> {
        let pccs = Pccs::new(pccs, directory.to_owned())?;
        Ok(Self {
            attester: Arc::new(QuoteAttester::new(Gramine::new(root), pccs)),
            sealer: Sealer::gramine(root)?,
        })
    }

    /// A TDX guest, whose reports are in `root` ([`Tsm::ROOT`]). TDX has no sealing key: the guest's
    /// measured boot must have unlocked one, in the file `sealing_key`.
    pub fn tdx(
        root: &Path,
        sealing_key: &Path,
        pccs: &str,
        directory: &Path,
    ) -> Result<Self, PlatformError> {
        let pccs = Pccs::new(pccs, directory.to_owned())?;
        Ok(Self {
            attester: Arc::new(QuoteAttester::new(Tsm::new(root), pccs)),
            sealer: Sealer::key_file(sealing_key)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::load_or_create;
    use std::fs;

    #[test]
    fn an_identity_stays_with_its_platform() {
        let (gramine, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(gramine.path().join("keys")).unwrap();
        fs::write(gramine.path().join("keys/_sgx_mrsigner"), [7; 16]).unwrap();
        let enclave = || Platform::gramine(gramine.path(), Pccs::INTEL, directory.path()).unwrap();
        let first = load_or_create(directory.path(), &enclave().sealer).unwrap();
        let again = load_or_create(directory.path(), &enclave().sealer).unwrap();
        assert_eq!(first.key.public(), again.key.public());
        let software = Platform::software(SoftwareAttester::default(), directory.path()).unwrap();
        let refused = load_or_create(directory.path(), &software.sealer)
            .err()
            .unwrap();
        assert!(
            refused.to_string().contains("the enclave's own key"),
            "{refused}"
        );
    }

    #[test]
    fn a_platform_without_its_key_or_service_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let path = empty.path();
        assert!(matches!(
            Platform::gramine(path, Pccs::INTEL, path),
            Err(PlatformError::Seal(_))
        ));
        assert!(matches!(
            Platform::tdx(path, &path.join("key"), Pccs::INTEL, path),
            Err(PlatformError::Seal(_))
        ));
        assert!(matches!(
            Platform::gramine(path, "nowhere", path),
            Err(PlatformError::Collateral(_))
        ));
    }
}
