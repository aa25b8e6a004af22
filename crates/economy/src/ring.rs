//! The ring: the order in which a cluster considers workers that it has not named.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_primitives::blake2_256;
use scale_info::TypeInfo;

/// A place on the ring. Points are compared byte by byte.
pub type Point = [u8; 32];

/// Where somebody stands: `blake2b256(seed ‖ 0x00 ‖ id)`.
///
/// The seed is drawn from the chain's randomness, once, when a worker is activated or a cluster is
/// created, so that nobody chooses a place. Two pairs of seed and id must not run together: either
/// they contain no zero byte, or all seeds are of one length.
pub fn point(seed: &[u8], id: &[u8]) -> Point {
    blake2_256(&[seed, &[0], id].concat())
}

/// A worker on the ring. Ordered by point; should two points be equal, the id decides.
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
pub struct Spot<W> {
    /// Where it stands.
    pub point: Point,
    /// Who stands there.
    pub worker: W,
}
