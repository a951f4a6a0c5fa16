//! `limits.body_size`: announced lengths are compared at once, others are counted as they come in.

use super::head::Head;
use crate::deny::{Denial, Reason};
use crate::listen::Limits;
use http::header;
use pingora_core::Result;
use pingora_error::{Error, ErrorType};

/// The error of a body that grew too large.
pub const TOO_LARGE: ErrorType = ErrorType::Custom("body too large");

/// The remaining allowance of a request's body.
#[derive(Default)]
pub struct BodyLimit {
    /// `None`: without a limit.
    left: Option<u64>,
}

impl BodyLimit {
    pub fn new(limits: &Limits) -> Self {
        Self { left: limits.body_size }
    }

    /// Counts a piece of the body.
    pub fn count(&mut self, bytes: usize) -> Result<()> {
        let Some(left) = &mut self.left else { return Ok(()) };
        match left.checked_sub(bytes as u64) {
            Some(less) => {
                *left = less;
                Ok(())
            }
            None => Err(Error::new_down(TOO_LARGE)),
        }
    }
}

/// Compares the length that a request announces; [`super::validate`] found that it is one number.
pub fn check(head: Head<'_>, limits: &Limits) -> Result<(), Denial> {
    let Some(limit) = limits.body_size else { return Ok(()) };
    let announced = head.headers.get(header::CONTENT_LENGTH);
    // a number that is too long to be read is too large as well
    let fits = announced.is_none_or(|length| {
        length.to_str().ok().and_then(|text| text.parse::<u64>().ok()).is_some_and(|n| n <= limit)
    });
    if fits { Ok(()) } else { Err(Denial::because(Reason::BodyTooLarge)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
        let limits = Limits { body_size: Some(10), ..Limits::default() };
        let mut body = BodyLimit::new(&limits);
        assert!(body.count(4).is_ok() && body.count(0).is_ok() && body.count(6).is_ok());
        assert!(body.count(1).is_err_and(|error| *error.etype() == TOO_LARGE));
        let mut unlimited = BodyLimit::new(&Limits::default());
        assert!(unlimited.count(usize::MAX).is_ok() && unlimited.count(usize::MAX).is_ok());
    }
}
