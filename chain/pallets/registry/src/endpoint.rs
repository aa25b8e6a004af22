//! Where a worker can be reached. To clients of the chain the type is `V1(Vec<str>)`: they turn
//! bytes into hex, but read text as text, so the type information says `str`.

use alloc::{string::String, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use phat_primitives::limits::{MAX_ENDPOINT_LEN, MAX_ENDPOINTS};
use polkadot_sdk::frame_support::{BoundedVec, traits::ConstU32};
use scale_info::{Type, TypeInfo};

/// A URL: UTF-8 of at most [`MAX_ENDPOINT_LEN`] bytes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, MaxEncodedLen)]
pub struct Endpoint(BoundedVec<u8, ConstU32<MAX_ENDPOINT_LEN>>);

impl Endpoint {
    /// The URL; `None` if it is too long.
    pub fn new(url: &str) -> Option<Self> {
        BoundedVec::try_from(Vec::from(url)).ok().map(Self)
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        // It was made from text or checked when decoded.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Decode for Endpoint {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes = BoundedVec::decode(input)?;
        core::str::from_utf8(&bytes).map_err(|_| Error::from("an endpoint is UTF-8 text"))?;
        Ok(Self(bytes))
    }
}

impl DecodeWithMemTracking for Endpoint {}

impl TypeInfo for Endpoint {
    type Identity = str;

    fn type_info() -> Type {
        <str as TypeInfo>::type_info()
    }
}

/// The endpoints of a worker, in the order in which they are preferred.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum VersionedEndpoints {
    /// Base URLs of the worker's HTTP interface.
    V1(BoundedVec<Endpoint, ConstU32<MAX_ENDPOINTS>>),
}

impl VersionedEndpoints {
    /// From URLs; `None` if there are too many or one is too long.
    pub fn new<'a>(urls: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let urls = urls
            .into_iter()
            .map(Endpoint::new)
            .collect::<Option<Vec<_>>>()?;
        BoundedVec::try_from(urls).ok().map(Self::V1)
    }

    /// The URLs.
    pub fn urls(&self) -> Vec<String> {
        let Self::V1(urls) = self;
        urls.iter().map(|url| url.as_str().into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_see_text() {
        let info = <Endpoint as TypeInfo>::type_info();
        assert_eq!(info.type_def, scale_info::TypeDefPrimitive::Str.into());
        let endpoint = Endpoint::new("http://127.0.0.1:8000").unwrap();
        assert_eq!(endpoint.encode(), "http://127.0.0.1:8000".encode());
    }

    #[test]
    fn what_is_not_text_or_too_long_is_refused() {
        assert!(Endpoint::decode(&mut &[0xffu8, 0xfe].to_vec().encode()[..]).is_err());
        let long = "x".repeat(MAX_ENDPOINT_LEN as usize + 1);
        assert!(Endpoint::new(&long).is_none());
        assert!(Endpoint::decode(&mut &long.encode()[..]).is_err());
        let one = "http://a";
        assert!(VersionedEndpoints::new([one; MAX_ENDPOINTS as usize]).is_some());
        assert!(VersionedEndpoints::new([one; MAX_ENDPOINTS as usize + 1]).is_none());
    }
}
