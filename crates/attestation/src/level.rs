//! What is known of the weaknesses of a machine, and how far its evidence is trusted for it.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use dcap_qvl::TcbStatus;
use scale_info::TypeInfo;

/// Level of a machine's trusted computing base: microcode, firmware, quoting enclave and, for TDX, its
/// module. Intel says it for hardware, in the collateral; the development root for software.
///
/// | level | confidence | what it means |
/// |---|---|---|
/// | up to date | 1 | nothing is known against it |
/// | software hardening needed | 2 | safe if the program defends itself, as ours does by its compiler |
/// | configuration needed, with or without hardening | 3 | a setting of the machine (SMT, say) may let others look in |
/// | relaunch advised, with or without configuration | 4 | the guest was started under firmware that has been mended since |
/// | out of date | 5 | weaknesses are known, and mended in updates that the machine has not got |
/// | out of date and configuration needed | refused | neither updates nor settings hold |
/// | revoked | refused | its keys are known to others: it proves nothing |
///
/// An up-to-date level that names advisories counts as one that needs hardening.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum TcbLevel {
    /// Nothing is known against it.
    #[codec(index = 0)]
    UpToDate,
    /// Software must defend itself.
    #[codec(index = 1)]
    SoftwareHardeningNeeded,
    /// The machine must be configured.
    #[codec(index = 2)]
    ConfigurationNeeded,
    /// Both.
    #[codec(index = 3)]
    ConfigurationAndHardeningNeeded,
    /// The guest began under firmware that was out of date and is not any more.
    #[codec(index = 4)]
    RelaunchAdvised,
    /// The same, and the machine must be configured.
    #[codec(index = 5)]
    RelaunchAdvisedConfigurationNeeded,
    /// Updates are missing.
    #[codec(index = 6)]
    OutOfDate,
    /// Updates are missing, and the machine must be configured.
    #[codec(index = 7)]
    OutOfDateConfigurationNeeded,
    /// Its keys are known to others.
    #[codec(index = 8)]
    Revoked,
}

impl TcbLevel {
    /// The confidence in a machine of this level, 1 (best) to 5; `None` if it is refused.
    pub fn confidence(self, has_advisories: bool) -> Option<u8> {
        match self {
            Self::UpToDate if !has_advisories => Some(1),
            Self::UpToDate | Self::SoftwareHardeningNeeded => Some(2),
            Self::ConfigurationNeeded | Self::ConfigurationAndHardeningNeeded => Some(3),
            Self::RelaunchAdvised | Self::RelaunchAdvisedConfigurationNeeded => Some(4),
            Self::OutOfDate => Some(5),
            Self::OutOfDateConfigurationNeeded | Self::Revoked => None,
        }
    }
}

impl From<TcbStatus> for TcbLevel {
    fn from(status: TcbStatus) -> Self {
        match status {
            TcbStatus::UpToDate => Self::UpToDate,
            TcbStatus::SWHardeningNeeded => Self::SoftwareHardeningNeeded,
            TcbStatus::ConfigurationNeeded => Self::ConfigurationNeeded,
            TcbStatus::ConfigurationAndSWHardeningNeeded => Self::ConfigurationAndHardeningNeeded,
            TcbStatus::TDRelaunchAdvised => Self::RelaunchAdvised,
            TcbStatus::TDRelaunchAdvisedConfigurationNeeded => {
                Self::RelaunchAdvisedConfigurationNeeded
            }
            TcbStatus::OutOfDate => Self::OutOfDate,
            TcbStatus::OutOfDateConfigurationNeeded => Self::OutOfDateConfigurationNeeded,
            TcbStatus::Revoked => Self::Revoked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worse_level_never_has_more_confidence() {
        let levels: alloc::vec::Vec<_> = (0..=8u8)
            .map(|index| TcbLevel::decode(&mut &[index][..]).unwrap())
            .collect();
        for advisories in [false, true] {
            let order = |level: &TcbLevel| level.confidence(advisories).unwrap_or(u8::MAX);
            assert!(levels.is_sorted_by_key(order));
        }
        assert_eq!(TcbLevel::UpToDate.confidence(false), Some(1));
        assert_eq!(TcbLevel::OutOfDate.confidence(true), Some(5));
        assert_eq!(TcbLevel::Revoked.confidence(false), None);
        assert!(TcbLevel::decode(&mut &[9u8][..]).is_err());
    }
}
