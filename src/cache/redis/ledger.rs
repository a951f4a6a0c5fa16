//! The fleet's purges as far as this gateway has read them: whether an answer was asked for before
//! one.

use crate::cache::{Purge, PurgeSelector};
use crate::token::TokenDigest;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// The place of a purge in the log: the id of a stream's entry in Redis. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPosition(pub u64, pub u64);

#[derive(Debug)]
pub struct Ledger {
    /// The last place that was read.
    seen: Option<LogPosition>,
    /// Answers that were asked for before this are dead, with any content.
    floor: LogPosition,
    purged: HashMap<Selector, LogPosition>,
    /// Purges of our own that have not been read back from the log.
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    purge: Purge,
    /// It is in the log.
    sent: bool,
}

/// A criterion for answers to forget.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Selector {
    Token(TokenDigest),
    Subject(Box<str>),
    ClientId(Box<str>),
    TokenId(Box<str>),
    Session(Box<str>),
}

/// Whose answer it is.
#[derive(Clone, Default)]
pub struct Marks<'a> {
    pub subject: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub token_id: Option<&'a str>,
    pub session: Option<Cow<'a, str>>,
}

/// Beyond this number, purges are no longer kept apart: all earlier answers are dead then.
pub const LIMIT: usize = 10_000;

impl Ledger {
    pub fn new() -> Self {
        Self { seen: None, floor: LogPosition(0, 0), purged: HashMap::new(), pending: Vec::new() }
    }

    /// `None`: the log was never read.
    pub fn seen(&self) -> Option<LogPosition> {
        self.seen
    }

    /// A purge of our own: from now on, until it is read back, it kills the answers that it names.
    pub fn announce(&mut self, purge: Purge) {
        if self.pending.len() >= LIMIT {
            self.pending = vec![Pending { purge: Purge::All, sent: false }];
        }
        if !self.pending.iter().any(|pending| pending.purge == purge && !pending.sent) {
            self.pending.push(Pending { purge, sent: false });
        }
    }

    /// It is in the log now.
    pub fn sent(&mut self, purge: &Purge) {
        if let Some(pending) =
            self.pending.iter_mut().find(|pending| !pending.sent && pending.purge == *purge)
        {
            pending.sent = true;
        }
    }

    pub fn unsent(&self) -> Vec<Purge> {
        self.pending
            .iter()
            .filter(|pending| !pending.sent)
            .map(|pending| pending.purge.clone())
            .collect()
    }

    /// The log holds `purge` at `place`; `own`: it is one of ours. Without a purge: an entry
    /// without meaning for this gateway.
    pub fn note_purge(&mut self, place: LogPosition, purge: Option<&Purge>, own: bool) {
        if self.seen.is_none() {
            // purges from before the beginning of the log are unknown
            self.floor = place;
        }
        self.seen = Some(place);
        let Some(purge) = purge else { return };
        if own && let Some(at) = self.pending.iter().position(|pending| pending.purge == *purge) {
            self.pending.swap_remove(at);
        }
        let selectors = match purge {
            Purge::All => {
                self.floor = place;
                self.purged.clear();
                // where the log was lost, these are not read back
                self.pending.retain(|pending| !pending.sent);
                return;
            }
            Purge::Tokens(digests) => digests.iter().copied().map(Selector::Token).collect(),
            // a whole server's
            Purge::Matching(named)
                if named.iter().any(|named| selectors(named).next().is_none()) =>
            {
                self.floor = place;
                self.purged.clear();
                return;
            }
            Purge::Matching(named) => named.iter().flat_map(selectors).collect::<Vec<_>>(),
        };
        self.purged.extend(selectors.into_iter().map(|selector| (selector, place)));
        if self.purged.len() > LIMIT {
            self.floor = place;
            self.purged.clear();
        }
    }

    /// Whether a purge came after this answer was asked for.
    pub fn is_dead(&self, digest: &TokenDigest, asked: LogPosition, marks: Marks) -> bool {
        let purged = |selector| self.purged.get(&selector).is_some_and(|place| *place > asked);
        asked < self.floor
            || purged(Selector::Token(*digest))
            || marks.subject.is_some_and(|text| purged(Selector::Subject(text.into())))
            || marks.client_id.is_some_and(|text| purged(Selector::ClientId(text.into())))
            || marks.token_id.is_some_and(|text| purged(Selector::TokenId(text.into())))
            || marks.session.as_deref().is_some_and(|text| purged(Selector::Session(text.into())))
            || self.pending.iter().any(|pending| pending.purge.names(digest, &marks))
    }
}

impl Purge {
    fn names(&self, digest: &TokenDigest, marks: &Marks) -> bool {
        match self {
            Self::All => true,
            Self::Tokens(digests) => digests.contains(digest),
            Self::Matching(named) => named.iter().any(|named| {
                let said = |selector| match selector {
                    Selector::Token(token) => token == *digest,
                    Selector::Subject(text) => marks.subject == Some(&text),
                    Selector::ClientId(text) => marks.client_id == Some(&text),
                    Selector::TokenId(text) => marks.token_id == Some(&text),
                    Selector::Session(text) => marks.session.as_deref() == Some(&text),
                };
                let mut selectors = selectors(named).peekable();
                selectors.peek().is_none() || selectors.any(said)
            }),
        }
    }
}

/// One selector for each set field, for the answers of all servers. This selects too many answers
/// where several fields are set. That does no harm: the authorization server is asked again.
fn selectors(named: &PurgeSelector) -> impl Iterator<Item = Selector> {
    let PurgeSelector { server: _, issuer: _, subject, client_id, token_id, session } = named;
    let members = [
        subject.as_deref().map(|text| Selector::Subject(text.into())),
        client_id.as_deref().map(|text| Selector::ClientId(text.into())),
        token_id.as_deref().map(|text| Selector::TokenId(text.into())),
        session.as_deref().map(|text| Selector::Session(text.into())),
    ];
    members.into_iter().flatten()
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for LogPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, number) = text.split_once('-').ok_or(())?;
        Ok(Self(time.parse().map_err(drop)?, number.parse().map_err(drop)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::DigestKey;

    const ALICE: Marks = Marks {
        subject: Some("alice"),
        client_id: Some("app"),
        token_id: Some("j"),
        session: Some(Cow::Borrowed("s")),
    };

    fn ledger() -> (Ledger, TokenDigest) {
        let mut ledger = Ledger::new();
        ledger.note_purge(LogPosition(1, 0), Some(&Purge::All), false);
        (ledger, DigestKey::random().digest("token"))
    }

    #[test]
    fn a_purge_kills_answers_asked_for_before_it() {
        for purge in [
            Purge::Matching(vec![PurgeSelector::subject("alice")]),
            Purge::Matching(vec![PurgeSelector::client_id("app")]),
            Purge::Matching(vec![PurgeSelector::token_id("j")]),
            Purge::Matching(vec![PurgeSelector::session("s")]),
        ] {
            let (mut ledger, digest) = ledger();
            assert!(!ledger.is_dead(&digest, LogPosition(1, 0), ALICE));
            ledger.note_purge(LogPosition(5, 0), Some(&purge), false);
            let dead = |asked| ledger.is_dead(&digest, asked, ALICE);
            assert_eq!(
                [LogPosition(1, 0), LogPosition(4, 9), LogPosition(5, 0), LogPosition(6, 0)]
                    .map(dead),
                [true, true, false, false],
                "{purge:?}"
            );
            assert!(!ledger.is_dead(
                &digest,
                LogPosition(1, 0),
                Marks { subject: Some("bob"), ..Marks::default() }
            ));
        }
        let (mut ledger, digest) = ledger();
        ledger.note_purge(LogPosition(5, 0), Some(&Purge::Tokens(vec![digest])), false);
        assert!(
            ledger.is_dead(&digest, LogPosition(1, 0), Marks::default()),
            "inactive answers too"
        );
        assert!(!ledger.is_dead(&DigestKey::random().digest("other"), LogPosition(1, 0), ALICE));
    }

    #[test]
    fn answers_older_than_the_log_are_dead() {
        let digest = DigestKey::random().digest("token");
        let mut ledger = Ledger::new();
        ledger.note_purge(
            LogPosition(7, 0),
            Some(&Purge::Matching(vec![PurgeSelector::subject("bob")])),
            false,
        );
        assert!(ledger.is_dead(&digest, LogPosition(6, 0), ALICE), "a purge may have been cut off");
        assert!(!ledger.is_dead(&digest, LogPosition(7, 0), ALICE));
        ledger.note_purge(LogPosition(9, 0), Some(&Purge::All), false);
        assert!(ledger.is_dead(&digest, LogPosition(8, 0), ALICE));
        ledger.note_purge(LogPosition(10, 0), None, false);
        assert_eq!(ledger.seen(), Some(LogPosition(10, 0)));
    }

    #[test]
    fn our_own_purge_kills_until_it_is_read_back() {
        let (mut ledger, digest) = ledger();
        let purge = Purge::Matching(vec![PurgeSelector::subject("alice")]);
        ledger.announce(purge.clone());
        assert!(ledger.is_dead(&digest, LogPosition(99, 0), ALICE));
        assert_eq!(ledger.unsent(), std::slice::from_ref(&purge));
        ledger.sent(&purge);
        assert!(ledger.unsent().is_empty() && ledger.is_dead(&digest, LogPosition(99, 0), ALICE));
        ledger.note_purge(LogPosition(50, 0), Some(&purge), false);
        assert!(ledger.is_dead(&digest, LogPosition(99, 0), ALICE), "that was somebody else's");
        ledger.note_purge(LogPosition(51, 0), Some(&purge), true);
        assert!(
            !ledger.is_dead(&digest, LogPosition(99, 0), ALICE)
                && ledger.is_dead(&digest, LogPosition(50, 0), ALICE)
        );
    }

    #[test]
    fn it_never_grows_past_its_limit_and_forgets_no_purge() {
        let (mut ledger, digest) = ledger();
        for n in 0..=LIMIT as u64 {
            ledger.note_purge(
                LogPosition(5, n),
                Some(&Purge::Matching(vec![PurgeSelector::subject(n.to_string())])),
                false,
            );
            ledger.announce(Purge::Matching(vec![PurgeSelector::subject(n.to_string())]));
        }
        ledger.announce(Purge::Matching(vec![PurgeSelector::subject("x")]));
        assert!(ledger.purged.len() <= LIMIT && ledger.pending.len() <= LIMIT);
        assert!(ledger.is_dead(
            &digest,
            LogPosition(5, 0),
            Marks { subject: Some("0"), ..Marks::default() }
        ));
    }

    #[test]
    fn a_place_is_an_id_of_a_stream() {
        assert_eq!("1526919030474-55".parse(), Ok(LogPosition(1_526_919_030_474, 55)));
        assert_eq!(LogPosition(1, 2).to_string(), "1-2");
        for text in ["", "1", "1-", "-1", "a-b", "1-2-3", "-1-1"] {
            assert_eq!(text.parse::<LogPosition>(), Err(()), "{text}");
        }
    }
}
