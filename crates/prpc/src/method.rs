//! Names and paths of the methods that a worker serves.

use std::{fmt, str::FromStr};

/// Media type of requests and responses.
pub const CONTENT_TYPE: &str = "application/octet-stream";

/// A method of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// [`Empty`](crate::Empty) → [`PhactoryInfo`](crate::PhactoryInfo).
    GetInfo,
    /// [`GetRuntimeInfoRequest`](crate::GetRuntimeInfoRequest) →
    /// [`InitRuntimeResponse`](crate::InitRuntimeResponse).
    GetRuntimeInfo,
    /// [`Empty`](crate::Empty) → [`GetEndpointResponse`](crate::GetEndpointResponse).
    GetEndpointInfo,
    /// [`ContractQueryRequest`](crate::ContractQueryRequest) →
    /// [`ContractQueryResponse`](crate::ContractQueryResponse).
    ContractQuery,
    /// [`GetContractInfoRequest`](crate::GetContractInfoRequest) →
    /// [`GetContractInfoResponse`](crate::GetContractInfoResponse).
    GetContractInfo,
    /// [`Empty`](crate::Empty) → [`GetClusterInfoResponse`](crate::GetClusterInfoResponse).
    GetClusterInfo,
    /// The receipt of a command, in the messages of [`Method::ContractQuery`]: inside the encryption
    /// travel `ReceiptRequest` and `ReceiptResponse` of `phat_primitives::query`.
    Receipt,
    /// Proof of such a receipt, in the same way: `ReceiptProofRequest` and `ReceiptProofResponse`.
    ReceiptProof,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::GetInfo,
        Self::GetRuntimeInfo,
        Self::GetEndpointInfo,
        Self::ContractQuery,
        Self::GetContractInfo,
        Self::GetClusterInfo,
        Self::Receipt,
        Self::ReceiptProof,
    ];

    /// Path of its URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::GetInfo => "/prpc/PhactoryAPI.GetInfo",
            Self::GetRuntimeInfo => "/prpc/PhactoryAPI.GetRuntimeInfo",
            Self::GetEndpointInfo => "/prpc/PhactoryAPI.GetEndpointInfo",
            Self::ContractQuery => "/prpc/PhactoryAPI.ContractQuery",
            Self::GetContractInfo => "/prpc/PhactoryAPI.GetContractInfo",
            Self::GetClusterInfo => "/prpc/PhactoryAPI.GetClusterInfo",
            Self::Receipt => "/prpc/PhatAPI.Receipt",
            Self::ReceiptProof => "/prpc/PhatAPI.ReceiptProof",
        }
    }

    /// Service and method, as in `PhactoryAPI.GetInfo`.
    pub fn name(self) -> &'static str {
        self.path().trim_start_matches("/prpc/")
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or(UnknownMethod)
    }
}

/// No method has this name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownMethod;

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown method; there are")?;
        for (index, method) in Method::ALL.iter().enumerate() {
            write!(f, "{} {method}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownMethod {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_its_full_name_only() {
        for method in Method::ALL {
            assert_eq!(method.name().parse(), Ok(method));
            assert_eq!(format!("/prpc/{method}"), method.path());
        }
        for other in [
            "",
            "GetInfo",
            "PhactoryAPI.getInfo",
            "PhatAPI.GetInfo",
            "PhactoryAPI.GetInfo ",
        ] {
            assert_eq!(other.parse::<Method>(), Err(UnknownMethod));
        }
    }

    #[test]
    fn the_error_names_every_method() {
        let text = UnknownMethod.to_string();
        assert!(
            Method::ALL
                .iter()
                .all(|method| text.contains(method.name())),
            "{text}"
        );
    }
}
