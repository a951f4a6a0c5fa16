//! Upper bounds of a value's size, so that an expression's cost is known before a request.
//!
//! A request's cost grows with loops inside loops and with texts that are added up. Both are bounded
//! by the sizes of the inputs, which are limited when a condition is evaluated.

/// Bytes of the claims together, and of each part of the request.
pub const INPUT: u64 = 64 << 10;
/// Items of one list, and members of one object.
pub const ITEMS: u64 = 1000;
/// Steps of one evaluation; a step takes some 50 nanoseconds.
pub const STEPS: u64 = 1_000_000;
/// Bytes of one value.
pub const LARGEST: u64 = 1 << 20;

/// How large a value may get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValueBound {
    /// Bytes on an average over the rounds of the loops around it: the items of a list share the
    /// list's bytes.
    pub weight: u64,
    /// Bytes of the largest one.
    pub peak: u64,
    /// Items of a list, on an average.
    pub items: u64,
    /// Items of the lists inside of it, together.
    pub inner: u64,
}

impl ValueBound {
    /// A number, a time and the like.
    pub const SCALAR: Self = Self { weight: 16, peak: 16, items: 0, inner: 0 };

    /// A value that comes with the request.
    pub const INPUT: Self = Self { weight: INPUT, peak: INPUT, items: ITEMS, inner: INPUT / 2 };

    pub fn text(bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { weight: bytes, peak: bytes, items: 0, inner: 0 }
    }

    /// Both values in one: `+`, or two items of a list.
    pub fn with(self, other: Self) -> Self {
        Self {
            weight: self.weight.saturating_add(other.weight),
            peak: self.peak.saturating_add(other.peak),
            items: self.items.saturating_add(other.items),
            inner: self.inner.saturating_add(other.inner),
        }
    }

    /// One or the other.
    pub fn or(self, other: Self) -> Self {
        Self {
            weight: self.weight.max(other.weight),
            peak: self.peak.max(other.peak),
            items: self.items.max(other.items),
            inner: self.inner.max(other.inner),
        }
    }

    /// A list with this one item.
    pub fn in_list(self) -> Self {
        Self {
            weight: self.weight.saturating_add(8),
            peak: self.peak.saturating_add(8),
            items: 1,
            inner: self.items.saturating_add(self.inner),
        }
    }

    /// One item of this list in a loop over it. `nested`: the loop is inside two others, where an
    /// average would hide the worst case.
    pub fn item(self, nested: bool) -> Self {
        let rounds = self.items.max(1);
        let inner = if nested { self.inner } else { self.inner.div_ceil(rounds) };
        Self {
            weight: self.weight.div_ceil(rounds),
            peak: self.peak,
            items: inner.min(ITEMS),
            inner,
        }
    }

    /// A member that is selected by name.
    pub fn member(self) -> Self {
        Self { items: self.items.max(self.inner.min(ITEMS)), ..self }
    }

    /// The growth from `start` to this in one round, over so many rounds.
    pub fn grown(self, start: Self, rounds: u64) -> Self {
        let grown = |start: u64, end: u64| {
            start.saturating_add(end.saturating_sub(start).saturating_mul(rounds))
        };
        let weight = grown(start.weight, self.weight);
        Self {
            weight,
            // the items of all rounds share the bytes of their parts
            peak: weight.max(self.peak),
            items: grown(start.items, self.items),
            inner: grown(start.inner, self.inner),
        }
    }
}
