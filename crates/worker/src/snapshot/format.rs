//! How a snapshot looks as a file.
//!
//! ```text
//! "phatsnap" ‖ version u8 ‖ cluster [32] ‖ root [32] ‖ epoch u32 ‖ nonce [19]      the header
//! (length u32 ‖ ciphertext)*                                                       the chunks
//! ```
//!
//! Each chunk holds a SCALE list of items. The chunks are one stream in the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizár, 2015) over XChaCha20-Poly1305, so that none can be changed,
//! moved, left out or cut off at the end; the header is bound into each of them. The highest bit of
//! the length marks the last chunk, which the stream confirms. The key comes from the cluster's
//! transport secret of the epoch that the header names, bound to cluster and root.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{
        Payload,
        rand_core::RngCore,
        stream::{DecryptorBE32, EncryptorBE32},
    },
};
use codec::{Decode, DecodeAll, Encode};
use phat_crypto::{TransportSecret, contexts, rand_core::OsRng};
use phat_primitives::{ClusterId, Hash};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"phatsnap";
const VERSION: u8 = 1;
const NONCE_LEN: usize = 19;
const TAG_LEN: usize = 16;
/// Bytes of items after which a chunk is closed.
const CHUNK_LEN: usize = 256 * 1024;
/// Bytes of a chunk at most: the largest record (the code of a contract) and what was there before.
const MAX_CHUNK_LEN: usize = 8 * 1024 * 1024;
const LAST: u32 = 1 << 31;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read or written.
    #[error("it cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// It does not begin like a snapshot that this version reads.
    #[error("it is not a snapshot of a version that this worker reads")]
    NotASnapshot,
    /// It belongs to another cluster or has another state root than it was asked for by.
    #[error("it is of another cluster or state than it was asked for by")]
    Another,
    /// It is encrypted under a transport key that this worker has not been given.
    #[error(
        "it is encrypted under the transport key of epoch {0}, which this worker does not have"
    )]
    UnknownEpoch(u32),
    /// A part of it was changed, or is missing.
    #[error("it is damaged or cut off: take another one")]
    Damaged,
    /// An item is larger than a chunk may be.
    #[error("an item of {0} bytes does not fit into a snapshot")]
    ItemTooLarge(usize),
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
struct Header {
    magic: [u8; 8],
    version: u8,
    cluster: ClusterId,
    root: Hash,
    epoch: u32,
    nonce: [u8; NONCE_LEN],
}

/// Bytes of the header.
const HEADER_LEN: usize = 8 + 1 + 32 + 32 + 4 + NONCE_LEN;

fn cipher(secret: &TransportSecret, cluster: &ClusterId, root: &Hash) -> XChaCha20Poly1305 {
    let data = [cluster.0, root.0].concat();
    let key = secret.derive_secret(contexts::SNAPSHOT_KEY, &data);
    XChaCha20Poly1305::new((&*key).into())
}

/// Writes a snapshot.
pub struct Writer<W: Write> {
    out: W,
    header: Vec<u8>,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    items: Vec<Vec<u8>>,
    len: usize,
}

impl<W: Write> Writer<W> {
    /// Begins a snapshot of the cluster at this state root.
    pub fn new(
        mut out: W,
        secret: &TransportSecret,
        cluster: ClusterId,
        root: Hash,
    ) -> Result<Self, FormatError> {
        let mut nonce = [0; NONCE_LEN];
        OsRng.fill_bytes(&mut nonce);
        let header = Header {
            magic: *MAGIC,
            version: VERSION,
            cluster,
            root,
            epoch: secret.epoch(),
            nonce,
        }
        .encode();
        out.write_all(&header)?;
        let cipher = cipher(secret, &cluster, &root);
        Ok(Self {
            out,
            header,
            stream: EncryptorBE32::from_aead(cipher, (&nonce).into()),
            items: Vec::new(),
            len: 0,
        })
    }

    /// Adds an item.
    pub fn push(&mut self, item: &impl Encode) -> Result<(), FormatError> {
        let bytes = item.encode();
        if bytes.len() > MAX_CHUNK_LEN - CHUNK_LEN {
            return Err(FormatError::ItemTooLarge(bytes.len()));
        }
        self.len += bytes.len();
        self.items.push(bytes);
        if self.len >= CHUNK_LEN {
            let plain = self.take();
            let sealed = self
                .stream
                .encrypt_next(Payload {
                    msg: &plain,
                    aad: &self.header,
                })
                .map_err(|_| FormatError::Damaged)?;
            write_chunk(&mut self.out, &sealed, 0)?;
        }
        Ok(())
    }

    /// Writes what is left, and the end.
    pub fn finish(mut self) -> Result<W, FormatError> {
        let plain = self.take();
        let sealed = self
            .stream
            .encrypt_last(Payload {
                msg: &plain,
                aad: &self.header,
            })
            .map_err(|_| FormatError::Damaged)?;
        write_chunk(&mut self.out, &sealed, LAST)?;
        Ok(self.out)
    }

    /// The items collected so far, as a SCALE list of byte strings.
    fn take(&mut self) -> Vec<u8> {
        self.len = 0;
        std::mem::take(&mut self.items).encode()
    }
}

fn write_chunk(out: &mut impl Write, sealed: &[u8], mark: u32) -> Result<(), FormatError> {
    let len = u32::try_from(sealed.len()).map_err(|_| FormatError::ItemTooLarge(sealed.len()))?;
    out.write_all(&(len | mark).to_le_bytes())?;
    Ok(out.write_all(sealed)?)
}

/// Reads a snapshot.
pub struct Reader<R: Read> {
    input: R,
    header: Vec<u8>,
    /// `None` after the last chunk.
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
}

impl<R: Read> Reader<R> {
    /// Begins to read a snapshot of the cluster at this state root. `secret_of` tells the transport
    /// secret of an epoch.
    pub fn new(
        mut input: R,
        cluster: ClusterId,
        root: Hash,
        secret_of: impl FnOnce(u32) -> Option<TransportSecret>,
    ) -> Result<Self, FormatError> {
        let mut bytes = vec![0; HEADER_LEN];
        input.read_exact(&mut bytes).map_err(ended)?;
        let header = Header::decode_all(&mut &bytes[..]).map_err(|_| FormatError::NotASnapshot)?;
        if header.magic != *MAGIC || header.version != VERSION {
            return Err(FormatError::NotASnapshot);
        }
        if (header.cluster, header.root) != (cluster, root) {
            return Err(FormatError::Another);
        }
        let secret = secret_of(header.epoch).ok_or(FormatError::UnknownEpoch(header.epoch))?;
        let cipher = cipher(&secret, &cluster, &root);
        Ok(Self {
            input,
            header: bytes,
            stream: Some(DecryptorBE32::from_aead(cipher, (&header.nonce).into())),
        })
    }

    /// The items of the next chunk; `None` after the last one.
    pub fn next_chunk<T: Decode>(&mut self) -> Result<Option<Vec<T>>, FormatError> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(None);
        };
        let mut len = [0; 4];
        self.input.read_exact(&mut len).map_err(ended)?;
        let marked = u32::from_le_bytes(len);
        let len = (marked & !LAST) as usize;
        // A list of items takes some bytes more than the items.
        if len > 2 * MAX_CHUNK_LEN + TAG_LEN {
            return Err(FormatError::Damaged);
        }
        let mut sealed = vec![0; len];
        self.input.read_exact(&mut sealed).map_err(ended)?;
        let payload = Payload {
            msg: &sealed,
            aad: &self.header,
        };
        let plain = if marked & LAST == 0 {
            let plain = stream.decrypt_next(payload);
            self.stream = Some(stream);
            plain
        } else {
            stream.decrypt_last(payload)
        }
        .map_err(|_| FormatError::Damaged)?;
        let items =
            Vec::<Vec<u8>>::decode_all(&mut &plain[..]).map_err(|_| FormatError::Damaged)?;
        items
            .iter()
            .map(|item| T::decode_all(&mut &item[..]).map_err(|_| FormatError::Damaged))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

fn ended(error: io::Error) -> FormatError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FormatError::Damaged,
        _ => FormatError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_crypto::Zeroizing;
    use proptest::prelude::*;

    const CLUSTER: ClusterId = Hash::repeat_byte(1);
    const ROOT: Hash = Hash::repeat_byte(2);

    fn secret(epoch: u32) -> TransportSecret {
        TransportSecret::new(0, epoch, Zeroizing::new([7; 32]))
    }

    fn written(items: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &secret(3), CLUSTER, ROOT).unwrap();
        for item in items {
            writer.push(item).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FormatError> {
        let mut reader = Reader::new(bytes, CLUSTER, ROOT, |epoch| secret(3).at(epoch))?;
        let mut items = Vec::new();
        while let Some(chunk) = reader.next_chunk()? {
            items.extend(chunk);
        }
        Ok(items)
    }

    fn many() -> Vec<Vec<u8>> {
        (0..40u8).map(|byte| vec![byte; 30_000]).collect()
    }

    #[test]
    fn what_was_written_is_read_also_over_many_chunks() {
        assert_eq!(read(&written(&[])).unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(read(&written(&many())).unwrap(), many());
    }

    #[test]
    fn nothing_can_be_changed_or_cut_off() {
        let good = written(&[b"one".to_vec(), b"two".to_vec()]);
        for position in 0..good.len() {
            let mut bent = good.clone();
            bent[position] ^= 1;
            assert!(read(&bent).is_err(), "byte {position}");
            assert!(read(&good[..position]).is_err(), "cut at {position}");
        }
        // Whole chunks left out, repeated, or cut off at their border.
        let long = written(&many());
        let border = |index: usize| {
            let mut at = HEADER_LEN;
            for _ in 0..index {
                let len = u32::from_le_bytes(long[at..at + 4].try_into().unwrap()) & !LAST;
                at += 4 + len as usize;
            }
            at
        };
        assert!(border(3) < long.len());
        assert!(matches!(
            read(&long[..border(2)]),
            Err(FormatError::Damaged)
        ));
        let left_out = [&long[..border(1)], &long[border(2)..]].concat();
        assert!(matches!(read(&left_out), Err(FormatError::Damaged)));
        let repeated = [&long[..border(2)], &long[border(1)..]].concat();
        assert!(matches!(read(&repeated), Err(FormatError::Damaged)));
    }

    #[test]
    fn a_snapshot_opens_for_its_cluster_root_and_epoch_only() {
        let bytes = written(&[b"one".to_vec()]);
        let open = |cluster, root, last: u32| {
            Reader::new(&bytes[..], cluster, root, |epoch| secret(last).at(epoch)).map(|_| ())
        };
        assert!(open(CLUSTER, ROOT, 3).is_ok());
        assert!(matches!(open(ROOT, ROOT, 3), Err(FormatError::Another)));
        assert!(matches!(
            open(CLUSTER, CLUSTER, 3),
            Err(FormatError::Another)
        ));
        assert!(matches!(
            open(CLUSTER, ROOT, 2),
            Err(FormatError::UnknownEpoch(3))
        ));
        // Another secret of the same epoch, as somebody would have who left before and guesses.
        let stranger = TransportSecret::new(0, 3, Zeroizing::new([8; 32]));
        let mut reader = Reader::new(&bytes[..], CLUSTER, ROOT, |_| Some(stranger)).unwrap();
        assert!(matches!(
            reader.next_chunk::<Vec<u8>>(),
            Err(FormatError::Damaged)
        ));
    }

    #[test]
    fn nothing_of_the_content_shows() {
        let bytes = written(&[b"a very secret balance".to_vec()]);
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..400),
            like in any::<bool>(),
        ) {
            if like {
                let good = written(&[vec![1; 100]]);
                let keep = bytes.len().min(HEADER_LEN + 4);
                bytes.splice(..keep, good[..HEADER_LEN + 4].to_vec());
            }
            prop_assert!(read(&bytes).is_err());
        }
    }
}
