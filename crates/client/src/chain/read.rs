//! Reads the chain's storage as it was after one block.

use super::{AtBlock, ChainClient, ChainError};
use subxt::{
    dynamic,
    ext::{
        frame_decode::storage::{IntoDecodableValues, IntoEncodableValues},
        scale_decode::DecodeAsType,
    },
    storage::PrefixOf,
};

/// Reads storage as it was after one block.
pub(super) struct Reader<'a> {
    pub(super) chain: &'a ChainClient,
    pub(super) at: &'a AtBlock,
}

impl Reader<'_> {
    /// A single value, or what the chain takes for one that was never set.
    pub(super) async fn value<V: DecodeAsType>(
        &self,
        pallet: &str,
        entry: &str,
    ) -> Result<V, ChainError> {
        let reading = async {
            let address = dynamic::storage::<(), V>(pallet, entry);
            Ok(self.at.storage().fetch(address, ()).await?.decode()?)
        };
        self.chain.in_time(reading).await
    }

    /// The value under a key, or a single value (whose key is `()`), if there is one.
    pub(super) async fn one<K, V>(
        &self,
        pallet: &str,
        entry: &str,
        key: K,
    ) -> Result<Option<V>, ChainError>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        V: DecodeAsType,
    {
        let reading = async {
            let address = dynamic::storage::<K, V>(pallet, entry);
            Ok(match self.at.storage().try_fetch(address, key).await? {
                Some(value) => Some(value.decode()?),
                None => None,
            })
        };
        self.chain.in_time(reading).await
    }

    /// All entries whose keys begin with `first`, in the order of the storage.
    pub(super) async fn all<K, V, P>(
        &self,
        pallet: &str,
        entry: &str,
        first: P,
    ) -> Result<Vec<(K, V)>, ChainError>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        V: DecodeAsType,
        P: PrefixOf<K>,
    {
        let reading = async {
            let mut found = Vec::new();
            let address = dynamic::storage::<K, V>(pallet, entry);
            let mut entries = self.at.storage().iter(address, first).await?;
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                found.push((entry.key()?.decode()?, entry.value().decode()?));
            }
            Ok(found)
        };
        self.chain.in_time(reading).await
    }
}
