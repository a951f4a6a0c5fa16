//! Renews the answer of a token for as long as responses depend on it: one question each `ttl`,
//! however many there are.

use super::fleet::AcceptedAnswers;
use super::store::Active;
use super::streams::{StreamEnd, StreamToken, WatchedStream};
use super::{Cached, Entry, Known};
use crate::clock::{Mono, Now};
use crate::introspect::Inquiry;
use crate::request::Forwarded;
use crate::token::{AccessToken, TokenDigest};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Between two questions about one token, at least: also with `ttl: 0s`, and while the server fails.
const PAUSE: Duration = Duration::from_secs(1);

/// A timer is set for so long at most.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Cached {
    /// Watches the token of a response that goes on. `digest` and `entry` are those by which it was
    /// permitted.
    pub fn watch(
        self: &Arc<Self>,
        digest: TokenDigest,
        entry: Arc<Entry>,
        token: AccessToken<'_>,
        forwarded: &Forwarded,
    ) -> WatchedStream {
        let (watched, held, first) =
            self.store.streams.join(digest, entry.clone(), || token.to_secret());
        // the answer may have been replaced or ended between the decision and the response
        match self.store.active(&digest, self.clock.now()) {
            Active::Alive(newer) => held.renew(&newer),
            Active::Dead | Active::None => {
                if !self.settings.ttl.is_zero() || self.store.purges() != entry.asked {
                    held.recheck();
                }
            }
        }
        if first {
            let told = self.source.told_hosts.as_ref().map(|hosts| hosts.told(forwarded));
            let forwarded = told.unwrap_or_else(|| forwarded.clone());
            tokio::spawn(self.clone().attend(digest, held, forwarded));
        }
        watched
    }

    /// Renews the token's answer, and ends its responses, until none is left.
    async fn attend(
        self: Arc<Self>,
        digest: TokenDigest,
        token: Arc<StreamToken>,
        forwarded: Forwarded,
    ) {
        let mut not_before = Mono::ZERO;
        loop {
            if (token.end().is_some() || token.is_alone())
                && self.store.streams.leave(&digest, &token)
            {
                return;
            }
            let (now, entry) = (self.clock.now(), token.entry());
            if now.mono >= entry.life.expires_at {
                token.end_with(StreamEnd::Expired);
                continue;
            }
            let due = if token.take_recheck() {
                now.mono
            } else {
                entry.life.fresh_until.max(entry.life.stored + PAUSE).max(not_before)
            };
            let expires = timer(now, entry.life.expires_at);
            if now.mono < due {
                tokio::select! {
                    () = timer(now, due) => {}
                    () = expires => {}
                    () = token.changed.notified() => {}
                    () = token.alone() => {}
                }
                continue;
            }
            not_before = now.mono + PAUSE;
            tokio::select! {
                () = self.renew(digest, &token, &forwarded, now) => {}
                () = expires => {}
                () = token.alone() => {}
            }
        }
    }

    async fn renew(
        self: &Arc<Self>,
        digest: TokenDigest,
        token: &StreamToken,
        forwarded: &Forwarded,
        now: Now,
    ) {
        let wanted = AcceptedAnswers { oldest: self.settings.ttl, refresh: false };
        let inquiry =
            || (Inquiry { token: token.secret.clone(), forwarded: Some(forwarded.clone()) }, None);
        match self.ask(digest, now, wanted, || Ok(()), inquiry).await.outcome {
            Ok(Known::Active(entry)) => token.renew(&entry),
            Ok(Known::Inactive | Known::Refused(_)) => token.end_with(StreamEnd::Inactive),
            // without `exp` an answer that cannot be renewed would be good for ever
            Err(_) => {
                let life = token.entry().life;
                if life.expires_at == Mono::NEVER && self.clock.now().mono >= life.dead_at {
                    token.end_with(StreamEnd::Expired);
                }
            }
        }
    }
}

async fn timer(now: Now, until: Mono) {
    sleep((until - now.mono).min(LONGEST)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheSettings, FactsSource, News, Purge, PurgeSelector, Store};
    use crate::clock::{Clock, ManualClock};
    use crate::introspect::{Failure, FailureKind, Introspector, read_answer};
    use crate::telemetry::Metrics;
    use crate::token::{DigestKey, Facts};
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::yield_now;

    /// Gives one answer to all questions; an empty one is a failure.
    struct Server(Mutex<String>, AtomicUsize);

    #[async_trait]
    impl Introspector for Server {
        async fn introspect(&self, _: &Inquiry) -> Result<Facts, Failure> {
            self.1.fetch_add(1, Ordering::SeqCst);
            let answer = self.0.lock().clone();
            if answer.is_empty() {
                return Err(Failure::new(FailureKind::Unavailable, "scripted"));
            }
            read_answer(answer.as_bytes())
                .map_err(|error| Failure::new(FailureKind::BadResponse, error.to_string()))
        }
    }

    struct Fixture {
        cached: Arc<Cached>,
        server: Arc<Server>,
        hand: Arc<ManualClock>,
    }

    const WALL: i64 = 1_700_000_000;
    const ACTIVE: &str = r#"{"active":true,"sub":"alice"}"#;
    const INACTIVE: &str = r#"{"active":false}"#;

    impl Fixture {
        fn new(ttl: u64, stale: u64, answer: &str) -> Self {
            let settings = CacheSettings {
                max_entries: 100,
                ttl: Duration::from_secs(ttl),
                inactive_ttl: Duration::ZERO,
                inactive_max_entries: 100,
                refresh_ahead: 0.0,
                stale_if_error: Duration::from_secs(stale),
                guard: None,
            };
            let hand = ManualClock::at(WALL);
            let clock = Clock::Manual(hand.clone());
            let metrics = Arc::new(Metrics::new().unwrap_or_else(|error| panic!("{error}")));
            let store = Arc::new(Store::new(&settings, metrics.clone()));
            let server = Arc::new(Server(Mutex::new(answer.to_owned()), AtomicUsize::new(0)));
            let source = FactsSource {
                server: "main".into(),
                key: DigestKey::random(),
                told_hosts: None,
                address: None,
                introspector: server.clone(),
            };
            let cached = Arc::new(Cached::new(source, settings, store, clock, &metrics));
            Self { cached, server, hand }
        }

        fn token() -> AccessToken<'static> {
            AccessToken::parse(b"t", 9).unwrap_or_else(|_| panic!("a token"))
        }

        async fn permitted(&self) -> (TokenDigest, Arc<Entry>) {
            let (now, forwarded) = (self.cached.clock.now(), Forwarded::default());
            let found = self.cached.find(Self::token(), &forwarded, None, now, None).await;
            match found.outcome {
                Ok(Known::Active(entry)) => (found.digest, entry),
                other => panic!("{other:?}"),
            }
        }

        async fn stream(&self) -> WatchedStream {
            let (digest, entry) = self.permitted().await;
            self.cached.watch(digest, entry, Self::token(), &Forwarded::default())
        }

        fn answer(&self, answer: &str) {
            answer.clone_into(&mut self.server.0.lock());
        }

        fn asked(&self) -> usize {
            self.server.1.load(Ordering::SeqCst)
        }

        /// Time passes for the clock and for timers, in steps of 100 ms.
        async fn pass(&self, millis: u64) {
            for _ in 0..millis / 100 {
                self.hand.advance(Duration::from_millis(100));
                tokio::time::advance(Duration::from_millis(100)).await;
                settle().await;
            }
        }
    }

    async fn settle() {
        for _ in 0..20 {
            yield_now().await;
        }
    }

    /// The end, if it is there. Renewed answers are taken.
    async fn end(stream: &mut WatchedStream) -> Option<StreamEnd> {
        settle().await;
        loop {
            match futures::future::FutureExt::now_or_never(stream.news()) {
                Some(News::Ended(end)) => return Some(end),
                Some(News::Renewed(_)) => {}
                None => return None,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn exp_ends_a_stream_to_the_moment() {
        let answer = format!(r#"{{"active":true,"exp":{}}}"#, WALL + 10);
        for ttl in [0, 3, 60] {
            let fixture = Fixture::new(ttl, 0, &answer);
            let mut stream = fixture.stream().await;
            fixture.pass(9_900).await;
            assert_eq!(end(&mut stream).await, None, "{ttl}");
            fixture.pass(100).await;
            assert_eq!(end(&mut stream).await, Some(StreamEnd::Expired), "{ttl}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_jumps_back_keeps_no_stream_alive() {
        let fixture = Fixture::new(60, 0, &format!(r#"{{"active":true,"exp":{}}}"#, WALL + 10));
        let mut stream = fixture.stream().await;
        fixture.hand.set_wall(-3600);
        fixture.pass(10_000).await;
        assert_eq!(end(&mut stream).await, Some(StreamEnd::Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn all_streams_of_a_token_share_one_question_each_ttl() {
        let fixture = Fixture::new(5, 0, ACTIVE);
        let mut streams = Vec::new();
        for _ in 0..50 {
            streams.push(fixture.stream().await);
        }
        assert_eq!((fixture.asked(), fixture.cached.store.streams.open()), (1, 50));
        fixture.pass(20_500).await;
        assert_eq!(fixture.asked(), 5);
        fixture.answer(INACTIVE);
        fixture.pass(5_000).await;
        for stream in &mut streams {
            assert_eq!(end(stream).await, Some(StreamEnd::Inactive));
        }
        drop(streams);
        fixture.pass(60_000).await;
        assert_eq!((fixture.asked(), fixture.cached.store.streams.open()), (6, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn without_streams_there_are_no_questions() {
        let fixture = Fixture::new(5, 0, ACTIVE);
        drop(fixture.stream().await);
        fixture.pass(60_000).await;
        assert_eq!(fixture.asked(), 1);
        let mut again = fixture.stream().await;
        fixture.pass(6_000).await;
        assert_eq!((fixture.asked(), end(&mut again).await), (3, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_server_ends_nothing_before_exp_or_stale_if_error_does() {
        let exp = format!(r#"{{"active":true,"exp":{}}}"#, WALL + 60);
        for (answer, stale, until) in [(&*exp, 0, 60_000), (&*exp, 5, 60_000), (ACTIVE, 20, 25_000)]
        {
            let fixture = Fixture::new(5, stale, answer);
            let mut stream = fixture.stream().await;
            fixture.answer("");
            fixture.pass(until - 1_000).await;
            assert_eq!(end(&mut stream).await, None, "{answer} {stale}");
            assert!(fixture.asked() > 10, "it is asked again and again");
            fixture.pass(2_000).await;
            assert_eq!(end(&mut stream).await, Some(StreamEnd::Expired), "{answer} {stale}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_purge_ends_the_streams_that_it_means() {
        let subject = |subject: &str| Purge::Matching(vec![PurgeSelector::subject(subject)]);
        let (digest, _) = Fixture::new(5, 0, ACTIVE).permitted().await;
        for (purge, meant) in [
            (Some(subject("alice")), true),
            (Some(subject("bob")), false),
            (Some(Purge::Tokens(vec![digest])), false),
            (None, true),
            (Some(Purge::All), true),
        ] {
            let fixture = Fixture::new(60, 0, ACTIVE);
            let mut stream = fixture.stream().await;
            let own = fixture.cached.digest_for_purge(Fixture::token());
            let purge = purge.unwrap_or(Purge::Tokens(own.into_iter().collect()));
            // also where the cache has dropped the answer, for want of room
            for held in [false, true] {
                if held {
                    stream = fixture.stream().await;
                } else {
                    fixture.cached.store.forget_all();
                    settle().await;
                }
                fixture.cached.store.purge_because(&purge, StreamEnd::Event);
                let expected = meant.then_some(StreamEnd::Event);
                assert_eq!(end(&mut stream).await, expected, "{purge:?} {held}");
            }
        }
    }

    /// Between the decision and the head of the response.
    #[tokio::test(start_paused = true)]
    async fn what_happened_before_the_response_began_counts() {
        let fixture = Fixture::new(60, 0, ACTIVE);
        for purge in [true, false] {
            fixture.answer(ACTIVE);
            let (digest, entry) = fixture.permitted().await;
            fixture.answer(INACTIVE);
            if purge {
                fixture.cached.store.purge(&Purge::All);
            } else {
                let now = fixture.cached.clock.now();
                let asked = fixture.cached.store.purges();
                fixture.cached.store.keep_inactive(digest, None, Mono::ZERO, now, asked);
            }
            let forwarded = Forwarded::default();
            let mut stream = fixture.cached.watch(digest, entry, Fixture::token(), &forwarded);
            assert_eq!(end(&mut stream).await, Some(StreamEnd::Inactive), "{purge}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_begin_while_another_one_ends() {
        let fixture = Fixture::new(60, 0, ACTIVE);
        let mut ended = fixture.stream().await;
        fixture.cached.store.purge(&Purge::All);
        // its renewal has not noticed yet
        let mut begun = fixture.stream().await;
        assert_eq!((end(&mut ended).await, end(&mut begun).await), (Some(StreamEnd::Purged), None));
        fixture.cached.store.purge(&Purge::All);
        assert_eq!(end(&mut begun).await, Some(StreamEnd::Purged));
    }
}
