//! An assertion that the platform keeps fresh in a file (RFC 7523 §2.2): a projected Kubernetes
//! service account token, a SPIFFE JWT-SVID. The gateway has no secret of its own then.
//!
//! The file is looked at again while the gateway runs, apart from reloads of the configuration: a
//! platform replaces it every few minutes, and cached answers stay good.

use crate::clock::{Mono, Now};
use crate::introspect::{Failure, FailureKind};
use crate::secret::Secret;
use crate::telemetry::Occasionally;
use crate::token::json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use zeroize::Zeroizing;

/// The newest assertion of a file.
pub struct AssertionFile {
    path: PathBuf,
    /// Who the assertion is about: `iss` and `sub` when the configuration was read.
    subject: String,
    held: Mutex<KeptAssertion>,
    log: Occasionally,
}

struct KeptAssertion {
    assertion: PlatformAssertion,
    /// No look at the file before.
    look_from: Mono,
}

#[derive(Clone, Debug)]
struct PlatformAssertion {
    text: Secret,
    /// Seconds since the Unix epoch.
    ends: i64,
    subject: String,
}

/// Why the content of a file is unusable as an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAnAssertion {
    #[error("the file is empty; is the platform to write a token into it yet?")]
    Empty,
    #[error(
        "the file has no signed JWT: three parts of base64url with dots between them; it may be half written"
    )]
    NotAJwt,
    #[error("the JWT in the file has no `exp`, which an assertion must have (RFC 7523 §3)")]
    NoEnd,
}

/// Between two looks at the file.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Bytes. No assertion is longer.
const LARGEST: u64 = 64 << 10;

impl AssertionFile {
    /// From the file's content as it was when the configuration was read.
    pub fn new(path: &Path, content: &[u8]) -> Result<Self, NotAnAssertion> {
        let assertion = PlatformAssertion::parse(content)?;
        Ok(Self {
            path: path.to_owned(),
            subject: assertion.subject.clone(),
            held: Mutex::new(KeptAssertion { assertion, look_from: Mono::ZERO }),
            log: Occasionally::default(),
        })
    }

    /// When the held assertion ends, in seconds since the Unix epoch.
    pub fn ends(&self) -> i64 {
        self.held.lock().assertion.ends
    }

    /// For the keys of cache entries: the client's name, which is independent of its current
    /// assertion.
    pub fn identity(&self) -> &str {
        &self.subject
    }

    /// The assertion to send `now`. A file that cannot be used leaves the last good one in use;
    /// one that has expired is not sent.
    pub async fn current(&self, now: Now) -> Result<Secret, Failure> {
        if self.take_look(now.mono) {
            match self.look().await {
                Ok(assertion) => {
                    self.held.lock().assertion = assertion;
                    if self.log.over() {
                        tracing::info!(file = %self.path.display(), "assertion_file can be used again");
                    }
                }
                Err(why) => {
                    if self.log.now("assertion_file", now.mono).is_some() {
                        tracing::warn!(
                            file = %self.path.display(),
                            detail = why,
                            "assertion_file cannot be used; the last good assertion serves until it expires"
                        );
                    }
                }
            }
        }
        let assertion = self.held.lock().assertion.clone();
        match now.unix_seconds() - assertion.ends {
            past if past >= 0 => Err(Failure::new(
                FailureKind::RejectedUs,
                format!(
                    "the assertion in {} expired {past} s ago, and was not sent; does the platform still renew it, and are both clocks right?",
                    self.path.display()
                ),
            )),
            _ => Ok(assertion.text),
        }
    }

    /// Whether it is time to look at the file; true for one caller at a time.
    fn take_look(&self, now: Mono) -> bool {
        let mut held = self.held.lock();
        let due = now >= held.look_from;
        if due {
            held.look_from = now + LOOK_PAUSE;
        }
        due
    }

    /// Reads the file, on a thread that may wait for it.
    async fn look(&self) -> Result<PlatformAssertion, String> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || content(&path)).await;
        let content = read.map_err(|_| "the file was not read".to_owned())??;
        PlatformAssertion::parse(&content).map_err(|why| why.to_string())
    }
}

fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |error: io::Error| format!("the file cannot be read: {}", error.kind());
    let mut content = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > LARGEST {
        return Err("the file is larger than 64 KiB".into());
    }
    Ok(content)
}

impl PlatformAssertion {
    /// Nothing is verified: that is the server's part.
    fn parse(content: &[u8]) -> Result<Self, NotAnAssertion> {
        let text = std::str::from_utf8(content).map_err(|_| NotAnAssertion::NotAJwt)?;
        let text = text.trim_start_matches('\u{feff}').trim_ascii();
        if text.is_empty() {
            return Err(NotAnAssertion::Empty);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, payload, signature] = &*parts else { return Err(NotAnAssertion::NotAJwt) };
        let object = |part: &str| json::object(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let (Some(_), Some(claims)) = (object(header), object(payload)) else {
            return Err(NotAnAssertion::NotAJwt);
        };
        if !URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| !signature.is_empty()) {
            return Err(NotAnAssertion::NotAJwt);
        }
        // RFC 7519 §2: perhaps with a fraction, which is cut off
        let ends = claims.get("exp").and_then(Value::as_f64).ok_or(NotAnAssertion::NoEnd)?;
        let claim = |name| claims.get(name).map(Value::to_string).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let ends = ends.floor() as i64;
        let subject = format!("{} {}", claim("iss"), claim("sub"));
        Ok(Self { text: Secret::new(text), ends, subject })
    }
}

impl fmt::Debug for AssertionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use serde_json::json;
    use std::fs;

    const START: i64 = 1_700_000_000;

    fn jwt(claims: &Value) -> String {
        let [header, claims] = [json!({"alg": "ES256"}), claims.clone()]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode("signature"))
    }

    fn ending(ends: i64) -> String {
        jwt(&json!({"iss": "https://cluster", "sub": "gateway", "exp": ends}))
    }

    #[test]
    fn only_a_signed_jwt_with_an_end_is_an_assertion() {
        let good = ending(START);
        let half = &good[..good.len() / 2];
        for (content, expected) in [
            (good.clone(), Ok(START)),
            (format!("\u{feff}{good}\r\n"), Ok(START)),
            (jwt(&json!({"exp": 10.9})), Ok(10)),
            (jwt(&json!({"exp": 1e300})), Ok(i64::MAX)),
            (String::new(), Err(NotAnAssertion::Empty)),
            (" \n".into(), Err(NotAnAssertion::Empty)),
            (half.into(), Err(NotAnAssertion::NotAJwt)),
            (good.trim_end_matches(|c| c != '.').into(), Err(NotAnAssertion::NotAJwt)),
            (format!("{good} {good}"), Err(NotAnAssertion::NotAJwt)),
            ("a.b.c".into(), Err(NotAnAssertion::NotAJwt)),
            (jwt(&json!({"sub": "a"})), Err(NotAnAssertion::NoEnd)),
            (jwt(&json!({"exp": "1700000000"})), Err(NotAnAssertion::NoEnd)),
        ] {
            let read = PlatformAssertion::parse(content.as_bytes()).map(|assertion| assertion.ends);
            assert_eq!(read, expected, "{content}");
        }
    }

    #[tokio::test]
    async fn the_newest_good_assertion_is_sent_and_an_expired_one_is_not() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let path = folder.path().join("token");
        let put =
            |content: &str| fs::write(&path, content).unwrap_or_else(|error| panic!("{error}"));
        let first = ending(START + 100);
        put(&first);
        let file =
            AssertionFile::new(&path, first.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let hand = ManualClock::at(START);
        let clock = Clock::Manual(hand.clone());
        let sent = async || match file.current(clock.now()).await {
            Ok(assertion) => assertion.expose().to_owned(),
            Err(failure) => format!("{:?} {}", failure.kind, failure.detail),
        };
        assert_eq!(sent().await, first);
        let second = ending(START + 200);
        put(&second);
        assert_eq!(sent().await, first, "no second look within a second");
        hand.advance(Duration::from_secs(1));
        assert_eq!(sent().await, second);
        for bad in ["", "half.written", &"x".repeat(70_000)] {
            put(bad);
            hand.advance(Duration::from_secs(1));
            assert_eq!(sent().await, second, "the last good one serves");
        }
        let _ = fs::remove_file(&path);
        hand.advance(Duration::from_secs(150));
        assert_eq!(sent().await, second);
        hand.advance(Duration::from_secs(60));
        let refused = sent().await;
        assert!(
            refused.starts_with("RejectedUs") && refused.contains("expired 14 s ago"),
            "{refused}"
        );
        let third = ending(START + 1000);
        put(&third);
        hand.advance(Duration::from_secs(1));
        assert_eq!(sent().await, third);
        assert!(!format!("{file:?}").contains(&third[..20]));
    }
}
