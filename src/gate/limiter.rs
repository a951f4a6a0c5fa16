//! The rate limit of a route: whose bucket a request takes from, here and in the whole fleet.

use crate::cache::Shared;
use crate::clock::Clock;
use crate::deny::{Denial, Reason};
use crate::policy::{Compared, Finding};
use crate::rate_limit::{Buckets, Per, Rate, RateLimitSettings};
use crate::request::network;
use crate::token::{ActiveFacts, DigestKey, TokenDigest};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A limit, ready to count.
pub struct Limiter {
    settings: RateLimitSettings,
    rate: Rate,
    key: DigestKey,
    buckets: Arc<Buckets>,
    capacity: usize,
    clock: Clock,
    shared: Option<Arc<Shared>>,
}

/// The parts of a request that a limit may count by.
#[derive(Clone, Copy, Default)]
pub(super) struct Caller<'c> {
    /// `None`: the request has no token, or it was not looked at.
    pub facts: Option<&'c ActiveFacts>,
    pub token: Option<&'c TokenDigest>,
    /// `None` on a Unix socket without an address.
    pub client: Option<IpAddr>,
}

/// A bucket, and for people whose it is.
pub(super) struct Bucket {
    key: TokenDigest,
    owner: String,
}

/// The value that a request is counted by.
enum LimitedValue<'c> {
    Text(Per, &'c str),
    Token(&'c TokenDigest),
    Address(Option<IpAddr>),
}

impl Limiter {
    /// `key`: the same in all gateways that share a Redis. `capacity`: the number of callers that
    /// have a bucket of their own at most.
    pub fn new(
        route: &str,
        settings: RateLimitSettings,
        key: &DigestKey,
        (buckets, capacity): (Arc<Buckets>, usize),
        clock: Clock,
        shared: Option<Arc<Shared>>,
    ) -> Self {
        let RateLimitSettings { per, requests, window } = settings;
        let (requests, window) = (requests.to_string(), window.as_nanos().to_string());
        let key = key.derive(["rate_limit", route, per.word(), &requests, &window]);
        let rate = Rate::from_settings(&settings);
        Self { settings, rate, key, buckets, capacity, clock, shared }
    }

    /// Counts a request that passed all checks, or refuses it.
    ///
    /// The bucket of this process is asked first, so that a flood does not reach Redis. It counts
    /// the requests that passed here, and decides alone while Redis is down.
    pub(super) async fn admit(&self, caller: &Caller<'_>) -> Result<(), Denial> {
        let key = self.key_of(&self.counted(caller));
        let taken = self
            .buckets
            .take(&key, self.rate, self.clock.now().mono, self.capacity)
            .map_err(refused)?;
        let Some(shared) = &self.shared else { return Ok(()) };
        match shared.take(&key, self.rate).await {
            None | Some(Ok(())) => Ok(()),
            Some(Err(wait)) => {
                let now = self.clock.now().mono;
                self.buckets.refused_elsewhere(&key, self.rate, taken, now, wait);
                Err(refused(wait))
            }
        }
    }

    /// The bucket of a caller, for [`Limiter::look`].
    pub(super) fn bucket(&self, caller: &Caller<'_>) -> Bucket {
        let counted = self.counted(caller);
        let owner = match &counted {
            LimitedValue::Text(per, text) => format!("{} {text}", per.word()),
            LimitedValue::Token(token) => format!("token {}", token.fingerprint()),
            LimitedValue::Address(Some(address)) => format!("client address {address}"),
            LimitedValue::Address(None) => "a client without address".to_owned(),
        };
        Bucket { key: self.key_of(&counted), owner }
    }

    /// The outcome of [`Limiter::admit`] for the owner of this bucket, of which nothing is taken.
    pub(super) async fn look(&self, bucket: &Bucket) -> Finding {
        let here = self.buckets.wait(&bucket.key, self.rate, self.clock.now().mono);
        let elsewhere = match &self.shared {
            Some(shared) if here.is_zero() => shared.wait(&bucket.key, self.rate).await,
            _ => None,
        };
        let wait = here.max(elsewhere.unwrap_or_default());
        Finding {
            check: "rate_limit",
            compared: Some(Compared::new(self.settings.to_string(), &*bucket.owner)),
            outcome: if wait.is_zero() { Ok(()) } else { Err(refused(wait)) },
        }
    }

    /// A request without the value that the limit counts by is counted by the client's address,
    /// apart from those that are counted by it anyway.
    fn counted<'c>(&self, caller: &Caller<'c>) -> LimitedValue<'c> {
        let of_token = match self.settings.per {
            Per::ClientId => caller
                .facts
                .and_then(ActiveFacts::client_id)
                .map(|text| LimitedValue::Text(Per::ClientId, text)),
            Per::Subject => caller
                .facts
                .and_then(ActiveFacts::subject)
                .map(|text| LimitedValue::Text(Per::Subject, text)),
            Per::Token => caller.facts.and(caller.token).map(LimitedValue::Token),
            Per::ClientAddress => None,
        };
        of_token.unwrap_or_else(|| LimitedValue::Address(caller.client.map(network)))
    }

    fn key_of(&self, counted: &LimitedValue<'_>) -> TokenDigest {
        match counted {
            LimitedValue::Text(per, text) => self.key.digest_of(per.word(), text.as_bytes()),
            LimitedValue::Token(token) => self.key.digest_of(Per::Token.word(), token.as_bytes()),
            LimitedValue::Address(Some(IpAddr::V4(address))) => {
                self.key.digest_of("ipv4", &address.octets())
            }
            LimitedValue::Address(Some(IpAddr::V6(address))) => {
                self.key.digest_of("ipv6", &address.octets())
            }
            LimitedValue::Address(None) => self.key.digest_of("no address", &[]),
        }
    }
}

fn refused(wait: Duration) -> Denial {
    Denial { retry_after: Some(wait), ..Denial::because(Reason::RateLimited) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::introspect::read_answer;
    use crate::token::Facts;
    use std::net::Ipv4Addr;

    struct Fixture {
        limiter: Limiter,
        hand: Arc<ManualClock>,
    }

    fn fixture(per: Per, requests: u32) -> Fixture {
        let hand = ManualClock::at(1_700_000_000);
        let settings = RateLimitSettings { per, requests, window: Duration::from_secs(10) };
        let clock = Clock::Manual(hand.clone());
        let (key, buckets) = (DigestKey::random(), (Arc::default(), 1 << 16));
        let limiter = Limiter::new("r", settings, &key, buckets, clock, None);
        Fixture { limiter, hand }
    }

    impl Fixture {
        /// Reason and `Retry-After` of a request with this answer from this address.
        fn admit(&self, answer: Option<&str>, client: [u8; 4]) -> Option<(Reason, u64)> {
            let facts = answer.map(|answer| match read_answer(answer.as_bytes()) {
                Ok(Facts::Active(facts)) => facts,
                _ => panic!("{answer}"),
            });
            let digest = answer.map(|answer| DigestKey::from([1; 32]).digest(answer));
            let client = Some(IpAddr::V4(Ipv4Addr::from(client)));
            let caller = Caller { facts: facts.as_deref(), token: digest.as_ref(), client };
            let looked = outcome_of(self.limiter.look(&self.limiter.bucket(&caller)));
            let outcome = outcome_of(self.limiter.admit(&caller));
            assert_eq!(looked.outcome, outcome, "looking shows the outcome and takes nothing");
            let denial = outcome.err()?;
            Some((denial.reason, denial.retry_after.unwrap_or_default().as_secs()))
        }
    }

    fn outcome_of<T>(future: impl Future<Output = T>) -> T {
        match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime.block_on(future),
            Err(error) => panic!("{error}"),
        }
    }

    const ALICE: Option<&str> = Some(r#"{"active":true,"sub":"alice","client_id":"app"}"#);
    const BOB: Option<&str> = Some(r#"{"active":true,"sub":"bob","client_id":"app"}"#);
    const BARE: Option<&str> = Some(r#"{"active":true}"#);
    const HERE: [u8; 4] = [192, 0, 2, 1];
    const THERE: [u8; 4] = [192, 0, 2, 2];

    #[test]
    fn each_kind_counts_by_its_own_value() {
        // of the second request after one by alice from here, with a limit of one
        for (per, same_client, same_subject, same_address) in [
            (Per::ClientId, true, true, false),
            (Per::Subject, false, true, false),
            (Per::ClientAddress, false, false, true),
            (Per::Token, false, true, false),
        ] {
            let second = |answer, client| {
                let fixture = fixture(per, 1);
                assert_eq!(fixture.admit(ALICE, HERE), None);
                fixture.admit(answer, client).is_some()
            };
            assert_eq!(second(BOB, THERE), same_client, "{per:?}");
            assert_eq!(second(ALICE, THERE), same_subject, "{per:?}");
            assert_eq!(
                second(Some(r#"{"active":true,"sub":"c","client_id":"d"}"#), HERE),
                same_address
            );
        }
    }

    #[test]
    fn without_the_value_the_address_counts() {
        for per in [Per::ClientId, Per::Subject] {
            let fixture = fixture(per, 1);
            assert_eq!(fixture.admit(BARE, HERE), None);
            assert!(fixture.admit(BARE, HERE).is_some(), "{per:?}");
            assert_eq!(fixture.admit(BARE, THERE), None);
            assert_eq!(fixture.admit(ALICE, HERE), None, "a bucket of another kind");
        }
        for per in [Per::ClientId, Per::Subject, Per::Token, Per::ClientAddress] {
            let fixture = fixture(per, 1);
            assert_eq!(fixture.admit(None, HERE), None);
            assert!(fixture.admit(None, HERE).is_some(), "anonymous, {per:?}");
        }
    }

    #[test]
    fn a_subject_named_like_an_address_is_no_address() {
        let fixture = fixture(Per::Subject, 1);
        assert_eq!(fixture.admit(None, HERE), None);
        assert_eq!(fixture.admit(Some(r#"{"active":true,"sub":"192.0.2.1"}"#), HERE), None);
    }

    #[test]
    fn retry_after_is_when_there_is_one_more() {
        let fixture = fixture(Per::ClientId, 2);
        assert_eq!((fixture.admit(ALICE, HERE), fixture.admit(ALICE, HERE)), (None, None));
        assert_eq!(fixture.admit(ALICE, HERE), Some((Reason::RateLimited, 5)));
        fixture.hand.advance(Duration::from_secs(5));
        assert_eq!(fixture.admit(ALICE, HERE), None);
        assert!(fixture.admit(ALICE, HERE).is_some());
        fixture.hand.set_wall(3600);
        assert!(fixture.admit(ALICE, HERE).is_some(), "the wall clock does not matter");
    }
}
