//! A form-encoded body that is read before the request is decided about, since it may hold the
//! token, and forwarded without it.

use crate::extract::{FORM_LIMIT, OF_BODY_BYTES, TokenSettings};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use pingora_core::Result;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::time::Duration;

/// How long the body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a request, as far as it was read before the decision.
#[derive(Debug, Default)]
pub enum Form {
    /// It is not read before: pingora passes it on.
    #[default]
    Unread,
    Whole {
        body: Bytes,
        /// The body that the upstream gets.
        forwarded: Bytes,
    },
    /// It is longer than [`FORM_LIMIT`]: the rest comes from the client behind this.
    Begun(Bytes),
}

impl Form {
    /// Reads the body where it may hold the token.
    pub async fn buffer(session: &mut Session, token: &TokenSettings) -> Result<Self> {
        let request = session.req_header();
        if !token.searches_form(&request.method, &request.headers) {
            return Ok(Self::Unread);
        }
        // RFC 9110 §10.1.1: the client waits for it, and the upstream is not asked yet
        if request.headers.contains_key(header::EXPECT) {
            session.as_mut().write_continue_response().await?;
            session.req_header_mut().remove_header(&header::EXPECT);
        }
        // pingora sends this buffer to the upstream, in place of the body, which has been read
        session.as_mut().enable_retry_buffering();
        let reading = Self::collect(session, token);
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(form) => form,
            Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "the form").into_down()),
        }
    }

    async fn collect(session: &mut Session, token: &TokenSettings) -> Result<Self> {
        let mut body = BytesMut::new();
        while let Some(piece) = session.as_mut().read_request_body().await? {
            body.extend_from_slice(&piece);
            if body.len() > FORM_LIMIT {
                return Ok(Self::Begun(body.freeze()));
            }
        }
        let body = body.freeze();
        let forwarded = Bytes::copy_from_slice(&token.forwarded_form(&body));
        Ok(Self::Whole { body, forwarded })
    }

    /// The body that is searched for the token.
    pub fn searched(&self) -> Option<&[u8]> {
        match self {
            Self::Whole { body, .. } => Some(body),
            Self::Unread | Self::Begun(_) => None,
        }
    }

    /// Makes the header section of the upstream's request fit the body that is forwarded.
    pub fn announce(&self, request: &mut RequestHeader) -> Result<()> {
        let Self::Whole { body, forwarded } = self else { return Ok(()) };
        if body == forwarded {
            return Ok(());
        }
        for name in OF_BODY_BYTES {
            request.remove_header(name);
        }
        if request.headers.contains_key(header::CONTENT_LENGTH) {
            let length = HeaderValue::from(forwarded.len());
            request.insert_header(header::CONTENT_LENGTH, length)?;
        }
        Ok(())
    }

    /// Changes a piece of the body on its way to the upstream. A body that was read whole comes as
    /// one piece, once an attempt.
    pub fn pass(&mut self, piece: &mut Option<Bytes>) {
        match self {
            Self::Unread => {}
            Self::Whole { forwarded, .. } => {
                if piece.is_some() {
                    *piece = Some(forwarded.clone());
                }
            }
            Self::Begun(begin) => {
                if !begin.is_empty() {
                    let mut whole = BytesMut::from(&std::mem::take(begin)[..]);
                    whole.extend_from_slice(piece.as_deref().unwrap_or_default());
                    *piece = Some(whole.freeze());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_comes_once_and_first() {
        let mut form = Form::Begun(Bytes::from_static(b"ab"));
        let mut sent = Vec::new();
        for piece in [Some("cd"), Some("ef"), None] {
            let mut piece = piece.map(|piece| Bytes::from_static(piece.as_bytes()));
            form.pass(&mut piece);
            sent.push(piece);
        }
        assert_eq!(
            sent,
            [Some(Bytes::from_static(b"abcd")), Some(Bytes::from_static(b"ef")), None]
        );
        let mut form = Form::Begun(Bytes::from_static(b"ab"));
        let mut end = None;
        form.pass(&mut end);
        assert_eq!(end, Some(Bytes::from_static(b"ab")));
    }

    #[test]
    fn the_length_is_that_of_the_forwarded_body() {
        let whole = |forwarded: &'static str| Form::Whole {
            body: Bytes::from_static(b"access_token=t&a=1"),
            forwarded: Bytes::from_static(forwarded.as_bytes()),
        };
        let announced = |form: &Form, framing: (&'static str, &str)| {
            let mut request = RequestHeader::build("POST", b"/", None).ok()?;
            request.insert_header(framing.0, framing.1.to_owned()).ok()?;
            request.insert_header("content-digest", "sha-256=:x:").ok()?;
            form.announce(&mut request).ok()?;
            let length = request.headers.get("content-length")?.to_str().ok()?.to_owned();
            Some((length, request.headers.contains_key("content-digest")))
        };
        let length = ("content-length", "18");
        assert_eq!(announced(&whole("a=1"), length), Some(("3".into(), false)));
        assert_eq!(announced(&whole(""), length), Some(("0".into(), false)));
        assert_eq!(announced(&whole("access_token=t&a=1"), length), Some(("18".into(), true)));
        assert_eq!(announced(&Form::Unread, length), Some(("18".into(), true)));
        assert_eq!(announced(&whole("a=1"), ("transfer-encoding", "chunked")), None);
    }
}
