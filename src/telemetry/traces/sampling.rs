//! Which requests are recorded.

/// `traces.sample`, or `OTEL_TRACES_SAMPLER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// A request with a parent span is recorded if, and only if, its parent is.
    pub heeds_parent: bool,
    /// The share of all other requests.
    pub share: Share,
}

/// A share of all traces. The same traces belong to it in every process, and a larger share
/// contains all traces of a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u64);

/// One more than the largest number of 63 bits.
const LIMIT: u64 = 1 << 63;

impl Share {
    /// No trace.
    pub const NONE: Self = Self(0);
    /// Every trace.
    pub const ALL: Self = Self(LIMIT);

    /// `None` for a number that is not from 0 to 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    pub fn from_ratio(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self((ratio * LIMIT as f64) as u64))
    }

    /// As `TraceIdRatioBased` of the OpenTelemetry SDKs: by 63 bits of the trace's id, so that the
    /// services of one trace agree.
    #[allow(clippy::cast_possible_truncation)] // the low half of the id
    fn contains(self, trace_id: u128) -> bool {
        (trace_id as u64) >> 1 < self.0
    }
}

impl Sampling {
    /// Whether a request is recorded. `parent`: whether its parent span is, if it has one.
    pub fn samples(self, parent: Option<bool>, trace_id: u128) -> bool {
        match parent {
            Some(sampled) if self.heeds_parent => sampled,
            _ => self.share.contains(trace_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_decides_where_it_is_heeded() {
        for (heeds_parent, share, outcomes) in [
            (true, Share::NONE, [true, false, false]),
            (true, Share::ALL, [true, false, true]),
            (false, Share::ALL, [true, true, true]),
            (false, Share::NONE, [false, false, false]),
        ] {
            let sampling = Sampling { heeds_parent, share };
            let sampled = [Some(true), Some(false), None].map(|parent| sampling.samples(parent, 7));
            assert_eq!(sampled, outcomes, "{sampling:?}");
        }
    }

    #[test]
    fn a_share_is_a_share_and_grows() {
        let shares =
            [0.01, 0.25, 0.5].map(|ratio| (ratio, Share::from_ratio(ratio).unwrap_or(Share::ALL)));
        for (ratio, share) in shares {
            let ids = (0..100_000u64).map(|n| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let taken = ids.filter(|id| share.contains(*id)).count();
            assert!((taken as f64 / 100_000.0 - ratio).abs() < 0.005, "{ratio}: {taken}");
        }
        let id = (1u128 << 64) + 5;
        assert!(shares.iter().all(|(_, share)| share.contains(id)), "the low half decides");
        assert!(Share::ALL.contains(u128::MAX) && !Share::NONE.contains(0));
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::from_ratio(ratio), None, "{ratio}");
        }
    }
}
