//! Transient storage: values that live as long as one execution, rolled back like the rest.

use std::collections::BTreeMap;

use crate::{
    error::ContractError,
    schema::{ContractId, StorageKey},
};

type Name = (ContractId, StorageKey);

pub(crate) struct TransientStorage {
    limit: usize,
    used: usize,
    values: BTreeMap<Name, Vec<u8>>,
    undo: Vec<(Name, Option<Vec<u8>>)>,
    checkpoints: Vec<usize>,
}

fn size(name: &Name, value: &[u8]) -> usize {
    /// What an entry costs the host besides its bytes, roughly.
    const OVERHEAD: usize = 128;
    let key = match &name.1 {
        StorageKey::Fixed(key) => key.len(),
        StorageKey::Variable(key) => key.len(),
    };
    OVERHEAD + key + value.len()
}

impl TransientStorage {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            values: BTreeMap::new(),
            undo: Vec::new(),
            checkpoints: Vec::new(),
        }
    }

    pub(crate) fn read(&self, contract: ContractId, key: StorageKey) -> Option<&Vec<u8>> {
        self.values.get(&(contract, key))
    }

    /// Writes or removes a value and returns the one before.
    pub(crate) fn write(
        &mut self,
        contract: ContractId,
        key: StorageKey,
        value: Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, ContractError> {
        let name = (contract, key);
        // The log of old values grows with every write, so each is counted until the end.
        let added = size(&name, value.as_deref().unwrap_or_default());
        if self.used.saturating_add(added) > self.limit {
            return Err(ContractError::OutOfTransientStorage);
        }
        self.used += added;
        let old = self.put(name.clone(), value);
        self.undo.push((name, old.clone()));
        Ok(old)
    }

    fn put(&mut self, name: Name, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        match value {
            Some(value) => self.values.insert(name, value),
            None => self.values.remove(&name),
        }
    }

    pub(crate) fn begin(&mut self) {
        self.checkpoints.push(self.undo.len());
    }

    pub(crate) fn commit(&mut self) {
        self.checkpoints.pop();
    }

    pub(crate) fn rollback(&mut self) {
        let mark = self.checkpoints.pop().unwrap_or(0);
        for (name, old) in self.undo.split_off(mark).into_iter().rev() {
            self.put(name, old);
        }
    }
}
