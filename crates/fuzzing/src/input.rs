//! Bytes as a fuzzer or a random generator gives them, read as decisions: what to take, and what to
//! change in it. When they are used up, every further decision is the first of its choices, and no
//! byte is changed any more.

/// Bytes that decide what a case is.
pub struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    /// Begins with the first byte.
    pub fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    /// Whether all bytes are used up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let mut number = usize::from(self.byte());
        if end > 256 {
            number = number << 8 | usize::from(self.byte());
        }
        if end > 65_536 {
            number = number << 8 | usize::from(self.byte());
        }
        number.checked_rem(end).unwrap_or(0)
    }

    /// Any 32 bits.
    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// One of them. There must be one.
    pub fn choose<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Whether something happens that happens in one of `often` cases.
    pub fn one_in(&mut self, often: usize) -> bool {
        !self.is_empty() && self.below(often) == 0
    }

    /// Some bytes, `most` at most.
    pub fn bytes(&mut self, most: usize) -> &'d [u8] {
        let len = self.below(most.saturating_add(1)).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'d [u8] {
        std::mem::take(&mut self.0)
    }

    /// Makes one change to `bytes`: another value in one place, some bytes removed, put in, repeated or
    /// made equal, the end cut off, or something else altogether.
    pub fn bend(&mut self, bytes: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        let at = self.below(bytes.len().max(1)).min(bytes.len());
        let end = |len: usize| at.saturating_add(len).min(bytes.len());
        match self.byte() % 16 {
            0..6 => {
                let bits = self.byte().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            6..9 => {
                let value = self.byte();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            9 => {
                let end = end(usize::from(self.byte()));
                bytes.drain(at..end);
            }
            10 => {
                let new = self.bytes(64).to_vec();
                bytes.splice(at..at, new);
            }
            11 => {
                let end = end(usize::from(self.byte()));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            12 => {
                let end = end(usize::from(self.byte()));
                let value = self.byte();
                bytes[at..end].fill(value);
            }
            13 => bytes.truncate(at),
            14 => bytes.extend_from_slice(self.bytes(64)),
            _ => *bytes = self.bytes(512).to_vec(),
        }
    }

    /// Makes up to `most` changes to `bytes`.
    pub fn bend_often(&mut self, bytes: &mut Vec<u8>, most: usize) {
        for _ in 0..self.below(most.saturating_add(1)) {
            self.bend(bytes);
        }
    }
}
