//! Frames of a WebSocket connection (RFC 6455 §5.2), as far as their ends must be known.

/// A close frame from the server, with code 1008: the token violates the policy (§7.4.1).
pub const POLICY_VIOLATION: [u8; 4] = [0x88, 0x02, 0x03, 0xf0];

/// The same with code 1001: the server goes away.
pub const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// Follows the bytes that a client gets, behind the head of the 101.
#[derive(Debug, Default)]
pub struct Frames {
    place: FramePosition,
    /// The server has sent its close frame.
    closed: bool,
}

/// Where the next byte belongs.
#[derive(Debug, Clone, Copy)]
enum FramePosition {
    /// To a frame's header, of which so many bytes were read.
    Header { read: usize, header: [u8; 10] },
    /// To a frame's mask and payload.
    Rest(u64),
}

impl Default for FramePosition {
    fn default() -> Self {
        Self::BOUNDARY
    }
}

impl FramePosition {
    const BOUNDARY: Self = Self::Header { read: 0, header: [0; 10] };
}

impl Frames {
    /// Whether a frame may be sent now.
    pub fn at_boundary(&self) -> bool {
        !self.closed && matches!(self.place, FramePosition::Header { read: 0, .. })
    }

    /// Takes bytes that were sent.
    pub fn sent(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.place {
                FramePosition::Header { read, mut header } => {
                    bytes = rest;
                    if let Some(place) = header.get_mut(read) {
                        *place = byte;
                    }
                    self.header(read + 1, header);
                }
                FramePosition::Rest(left) => {
                    let some =
                        usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    bytes = bytes.get(some..).unwrap_or_default();
                    self.place = match left - some as u64 {
                        0 => FramePosition::BOUNDARY,
                        left => FramePosition::Rest(left),
                    };
                }
            }
        }
    }

    /// Another byte of a header has come.
    fn header(&mut self, read: usize, header: [u8; 10]) {
        let [first, second, extended @ ..] = header;
        let (length, masked) = (second & 0x7f, second & 0x80 != 0);
        let whole = match length {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        if read < whole {
            self.place = FramePosition::Header { read, header };
            return;
        }
        let payload = match length {
            126 => u64::from(u16::from_be_bytes([extended[0], extended[1]])),
            127 => u64::from_be_bytes(extended),
            length => u64::from(length),
        };
        self.closed |= first & 0x0f == 0x8;
        self.place = match payload.saturating_add(if masked { 4 } else { 0 }) {
            0 => FramePosition::BOUNDARY,
            rest => FramePosition::Rest(rest),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After which bytes a frame may be sent.
    fn boundaries(bytes: &[u8]) -> Vec<usize> {
        let mut frames = Frames::default();
        let mut boundaries = if frames.at_boundary() { vec![0] } else { Vec::new() };
        for (at, byte) in bytes.iter().enumerate() {
            frames.sent(&[*byte]);
            if frames.at_boundary() {
                boundaries.push(at + 1);
            }
        }
        // in one go it ends in the same state
        let mut whole = Frames::default();
        whole.sent(bytes);
        assert_eq!(whole.at_boundary(), frames.at_boundary());
        boundaries
    }

    #[test]
    fn a_frame_ends_where_its_length_says() {
        let medium = [&[0x82, 126, 0, 200][..], &[7; 200]].concat();
        let long = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65536]].concat();
        assert_eq!(boundaries(&[0x81, 2, b'h', b'i', 0x89, 0]), [0, 4, 6]);
        assert_eq!(boundaries(&[0x81, 0x82, 1, 2, 3, 4, 5, 6]), [0, 8], "masked");
        assert_eq!(boundaries(&medium), [0, 204]);
        assert_eq!(boundaries(&long), [0, 65546]);
    }

    #[test]
    fn nothing_is_sent_behind_a_close_frame() {
        for frame in [POLICY_VIOLATION, GOING_AWAY] {
            assert_eq!(boundaries(&frame), [0]);
        }
    }
}
