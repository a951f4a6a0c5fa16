//! Bodies of POST requests.

use pingora_core::protocols::http::ServerSession;

/// Bytes.
const LONGEST: usize = 64 * 1024;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    Broken,
}

impl Unread {
    pub fn why(self) -> &'static str {
        match self {
            Self::TooLarge => "The body is larger than 64 KiB.",
            Self::Broken => "The body could not be read.",
        }
    }
}

/// The whole body, up to 64 KiB. After a larger one the connection is closed.
pub async fn read_body(session: &mut ServerSession) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match session.read_request_body().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST => {
                body.extend_from_slice(&chunk)
            }
            Ok(Some(_)) => {
                session.set_keepalive(None);
                return Err(Unread::TooLarge);
            }
            Ok(None) => return Ok(body),
            Err(_) => return Err(Unread::Broken),
        }
    }
}
