//! The state of every token at every moment, and so the answers that are wrong.

use crate::support::{AuthorizationServer, Behaviour, Response, active};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Active all the time.
    Steady(usize),
    /// Active all the time, without the scope that the route demands.
    Narrow(usize),
    /// Active until it is revoked.
    Doomed(usize),
    /// Active, and used for the first time.
    Fresh(u64),
    /// Never issued.
    Forged(u64),
}

impl Token {
    pub const STEADY: usize = 40;
    const NARROW: usize = 5;

    pub fn text(self) -> String {
        match self {
            Self::Steady(number) => format!("steady-{number}"),
            Self::Narrow(number) => format!("narrow-{number}"),
            Self::Doomed(number) => format!("doomed-{number}"),
            Self::Fresh(number) => format!("fresh-{number:x}"),
            Self::Forged(number) => format!("forged-{number:x}"),
        }
    }

    fn answer(self) -> Value {
        let scope = if matches!(self, Self::Narrow(_)) { "other" } else { "read" };
        active(json!({ "sub": self.text(), "scope": scope }))
    }
}

/// A revocation. Two times, since requests in between may have either outcome.
#[derive(Clone, Copy, Debug)]
struct Revocation {
    begins: Instant,
    done: Instant,
    purged: Option<Instant>,
}

pub struct Truth {
    pub server: Mutex<AuthorizationServer>,
    longest_pass: Duration,
    /// In the order of the doomed tokens' numbers.
    revocations: Mutex<Vec<Revocation>>,
    /// How many of those there are.
    doomed: AtomicUsize,
}

/// One answer that a client got.
#[derive(Debug)]
pub struct Seen {
    pub token: Token,
    pub sent: Instant,
    pub received: Instant,
    pub status: u16,
    pub reason: String,
    /// As whom the request reached the service.
    pub subject: Option<String>,
}

impl Truth {
    /// `longest_pass`: how long after its revocation a token that is not purged may pass.
    pub fn new(server: AuthorizationServer, longest_pass: Duration) -> Self {
        for token in
            (0..Token::STEADY).map(Token::Steady).chain((0..Token::NARROW).map(Token::Narrow))
        {
            server.answer(&token.text(), token.answer());
        }
        let truth = Self {
            server: Mutex::new(server),
            longest_pass,
            revocations: Mutex::default(),
            doomed: AtomicUsize::new(0),
        };
        truth.issue_doomed();
        truth
    }

    pub fn server(&self) -> MutexGuard<'_, AuthorizationServer> {
        self.server.lock().expect("the server")
    }

    /// The token that a client tries next.
    pub fn pick(&self, random: &mut StdRng) -> Token {
        match random.random_range(0..100) {
            0..60 => Token::Steady(random.random_range(0..Token::STEADY)),
            60..65 => Token::Narrow(random.random_range(0..Token::NARROW)),
            // the one that is going to be revoked, those that just were, and some of long ago
            65..80 => {
                let back = if random.random() { 1..4 } else { 20..80 };
                Token::Doomed(
                    self.doomed.load(Ordering::SeqCst).saturating_sub(random.random_range(back)),
                )
            }
            80..90 => Token::Forged(random.random()),
            _ => {
                let token = Token::Fresh(random.random());
                self.server().answer(&token.text(), token.answer());
                token
            }
        }
    }

    fn issue_doomed(&self) {
        let token = Token::Doomed(self.doomed.load(Ordering::SeqCst));
        self.server().answer(&token.text(), token.answer());
        self.doomed.fetch_add(1, Ordering::SeqCst);
    }

    /// Revokes the next token, and passes its text to `purge`, if given, which returns the moment
    /// from which the token must be refused.
    pub fn revoke(&self, purge: Option<impl FnOnce(&str) -> Option<Instant>>) {
        let number = self.doomed.load(Ordering::SeqCst) - 1;
        let text = Token::Doomed(number).text();
        let begins = Instant::now();
        self.server().behave(&text, Behaviour::inactive());
        let done = Instant::now();
        self.revocations.lock().expect("the revocations").push(Revocation {
            begins,
            done,
            purged: None,
        });
        if let Some(purge) = purge {
            let purged = purge(&text);
            self.revocations.lock().expect("the revocations")[number].purged = purged;
        }
        self.issue_doomed();
    }

    /// Why this answer must not have been given.
    pub fn wrong(&self, seen: &Seen) -> Option<&'static str> {
        let revocation = match seen.token {
            Token::Doomed(number) => {
                self.revocations.lock().expect("the revocations").get(number).copied()
            }
            _ => None,
        };
        match (seen.status, seen.reason.as_str()) {
            (200, _) if seen.subject != Some(seen.token.text()) => Some("passed as somebody else"),
            (200, _) => match (seen.token, revocation) {
                (Token::Forged(_), _) => Some("a forged token passed"),
                (Token::Narrow(_), _) => Some("passed without the scope"),
                (_, Some(Revocation { purged: Some(purged), .. })) if seen.sent > purged => {
                    Some("passed after it was purged")
                }
                (_, Some(Revocation { done, .. })) if seen.sent > done + self.longest_pass => {
                    Some("passed long after it was revoked")
                }
                _ => None,
            },
            (401, "inactive") => match (seen.token, revocation) {
                (Token::Forged(_), _) => None,
                (Token::Doomed(_), Some(Revocation { begins, .. })) if seen.received > begins => {
                    None
                }
                _ => Some("an active token was called inactive"),
            },
            (403, "insufficient_scope") if matches!(seen.token, Token::Narrow(_)) => None,
            // state unknown: never wrong, at worst unhelpful
            (503, reason) if reason.starts_with("as_") => None,
            _ => Some("an answer that nothing here asks for"),
        }
    }
}

/// The subject with which the request reached the service, by the echo.
pub fn subject(response: &Response) -> Option<String> {
    if response.status != 200 {
        return None;
    }
    let echo = response.json();
    let headers = echo["headers"].as_array()?;
    let header = headers.iter().find(|header| {
        header[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("x-introspected-sub"))
    })?;
    header[1].as_str().map(str::to_owned)
}
