//! Responses that go on, by the tokens that let them begin. Every end of a token is known here: a
//! purge, a security event, an inactive answer, and `exp`.
//!
//! Nothing here asks a server and nothing reads a clock: [`super::watch`] does.

use super::{Entry, Purge};
use crate::secret::Secret;
use crate::token::{AccessToken, DigestHasher, TokenDigest};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, watch};

/// Why a response ended before its upstream ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// `exp` has come, or the server has failed for too long.
    Expired,
    /// The token's answer was purged.
    Purged,
    /// A security event named the token's answer.
    Event,
    /// A renewed answer does not permit the request any more.
    Inactive,
}

impl StreamEnd {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Purged => "purged",
            Self::Event => "event",
            Self::Inactive => "inactive",
        }
    }
}

/// The tokens of all responses that go on. One for the process: it survives every reload.
#[derive(Default)]
pub struct TokenStreams {
    tokens: DashMap<TokenDigest, Arc<StreamToken>, DigestHasher>,
    open: Arc<AtomicUsize>,
}

/// A token that responses depend on.
pub(super) struct StreamToken {
    state: watch::Sender<StreamTable>,
    /// Asked about when its answer is renewed.
    pub(super) secret: Secret,
    /// The state has changed, or the answer is to be renewed at once.
    pub(super) changed: Notify,
    recheck: AtomicBool,
}

#[derive(Clone)]
struct StreamTable {
    /// The newest answer.
    entry: Arc<Entry>,
    /// Once set, it stays.
    end: Option<StreamEnd>,
}

/// One response's view of its token.
pub struct WatchedStream {
    state: watch::Receiver<StreamTable>,
    /// The answer that was judged last.
    judged: Arc<Entry>,
    _open: OpenStream,
}

/// News of a token.
#[derive(Debug)]
pub enum News {
    /// A newer answer, still active.
    Renewed(Arc<Entry>),
    Ended(StreamEnd),
}

impl TokenStreams {
    /// How many responses are watched.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A response joins, which was permitted by `entry`. Also gives the token where it is the first
    /// one: its renewal begins.
    pub(super) fn join(
        &self,
        digest: TokenDigest,
        entry: Arc<Entry>,
        secret: impl FnOnce() -> Secret,
    ) -> (WatchedStream, Arc<StreamToken>, bool) {
        let begin = |secret: Secret| {
            Arc::new(StreamToken {
                state: watch::Sender::new(StreamTable { entry: entry.clone(), end: None }),
                secret,
                changed: Notify::new(),
                recheck: AtomicBool::new(false),
            })
        };
        let (token, state, first) = match self.tokens.entry(digest) {
            // under the lock of its place, so that `leave` cannot come between
            Place::Occupied(mut place) => {
                if place.get().end().is_some() {
                    place.insert(begin(secret()));
                    let token = place.get();
                    (token.clone(), token.state.subscribe(), true)
                } else {
                    let token = place.get();
                    (token.clone(), token.state.subscribe(), false)
                }
            }
            Place::Vacant(place) => {
                let token = place.insert(begin(secret()));
                (token.clone(), token.state.subscribe(), true)
            }
        };
        token.renew(&entry);
        (WatchedStream { state, judged: entry, _open: OpenStream::new(&self.open) }, token, first)
    }

    /// Lets go of a token that has ended, or that no response depends on. False where another
    /// response has joined meanwhile.
    pub(super) fn leave(&self, digest: &TokenDigest, token: &Arc<StreamToken>) -> bool {
        let left = self.tokens.remove_if(digest, |_, held| {
            Arc::ptr_eq(held, token) && (token.end().is_some() || token.is_alone())
        });
        left.is_some() || token.end().is_some()
    }

    /// A newer active answer has come.
    pub(super) fn renew(&self, digest: &TokenDigest, entry: &Arc<Entry>) {
        if let Some(token) = self.tokens.get(digest) {
            token.renew(entry);
        }
    }

    /// An inactive answer has come, which was asked for after `asked` purges. An active one that
    /// was asked for after more of them is the newer one.
    pub(super) fn inactive(&self, digest: &TokenDigest, asked: u64) {
        if let Some(token) = self.tokens.get(digest)
            && token.entry().asked <= asked
        {
            token.end_with(StreamEnd::Inactive);
        }
    }

    /// Ends the responses whose answers a purge means.
    pub(super) fn purge(&self, purge: &Purge, end: StreamEnd) {
        match purge {
            Purge::Tokens(digests) => {
                for digest in digests {
                    if let Some(token) = self.tokens.get(digest) {
                        token.end_with(end);
                    }
                }
            }
            Purge::Matching(named) => {
                for token in &self.tokens {
                    let entry = token.entry();
                    if named.iter().any(|named| named.means(&entry.server, &entry.facts)) {
                        token.end_with(end);
                    }
                }
            }
            Purge::All => self.tokens.iter().for_each(|token| token.end_with(end)),
        }
    }

    /// All answers are renewed at once: something may have been missed.
    pub(super) fn recheck(&self) {
        self.tokens.iter().for_each(|token| token.recheck());
    }

    /// The digests under which `token` is watched. An earlier configuration may have had others
    /// than the one in force.
    pub fn digests_of(&self, token: AccessToken<'_>) -> Vec<TokenDigest> {
        let same = self.tokens.iter().filter(|held| held.secret.matches(token.expose()));
        same.map(|held| *held.key()).collect()
    }
}

impl StreamToken {
    pub(super) fn entry(&self) -> Arc<Entry> {
        self.state.borrow().entry.clone()
    }

    pub(super) fn end(&self) -> Option<StreamEnd> {
        self.state.borrow().end
    }

    /// No response depends on it.
    pub(super) fn is_alone(&self) -> bool {
        self.state.receiver_count() == 0
    }

    /// Ready when no response depends on it.
    pub(super) async fn alone(&self) {
        self.state.closed().await;
    }

    pub(super) fn renew(&self, entry: &Arc<Entry>) {
        let newer = self.state.send_if_modified(|state| {
            let newer = !Arc::ptr_eq(&state.entry, entry)
                && state.end.is_none()
                && (entry.asked, entry.life.stored) >= (state.entry.asked, state.entry.life.stored);
            if newer {
                state.entry = entry.clone();
            }
            newer
        });
        if newer {
            self.changed.notify_one();
        }
    }

    pub(super) fn end_with(&self, end: StreamEnd) {
        let ended = self.state.send_if_modified(|state| {
            let first = state.end.is_none();
            state.end = state.end.or(Some(end));
            first
        });
        if ended {
            self.changed.notify_one();
        }
    }

    /// Asks for a renewal at once.
    pub(super) fn recheck(&self) {
        self.recheck.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Whether a renewal was asked for since the last call.
    pub(super) fn take_recheck(&self) -> bool {
        self.recheck.swap(false, Ordering::Relaxed)
    }
}

impl WatchedStream {
    /// Waits for the token's end or for a newer answer.
    pub async fn news(&mut self) -> News {
        let judged = self.judged.clone();
        let is_news =
            |state: &StreamTable| state.end.is_some() || !Arc::ptr_eq(&state.entry, &judged);
        let Ok(state) = self.state.wait_for(is_news).await.map(|state| state.clone()) else {
            // nothing renews the token any more: fail closed
            return News::Ended(StreamEnd::Inactive);
        };
        match state.end {
            Some(end) => News::Ended(end),
            None => {
                self.judged = state.entry.clone();
                News::Renewed(state.entry)
            }
        }
    }
}

/// Counts a response as long as it goes on.
struct OpenStream(Arc<AtomicUsize>);

impl OpenStream {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
