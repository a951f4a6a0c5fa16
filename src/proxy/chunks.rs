//! The chunked transfer coding (RFC 9112 §7.1), read to the letter: another reader cannot see other
//! chunks in the same bytes. Old servers pad the sizes of their chunks; that is read in responses.

/// Bytes of a chunk's extensions at most. They mean nothing to the gateway and are not forwarded.
const EXTENSIONS: usize = 1024;

/// Bytes of a trailer section at most. It is not forwarded (RFC 9110 §6.5.1 allows that).
const TRAILERS: usize = 16 * 1024;

/// Reads a chunked body piece by piece.
#[derive(Debug, Default)]
pub struct Chunks {
    state: ChunkState,
    /// Bytes of the part that is being read, where its length is limited.
    length: usize,
    /// White space behind a size is permitted.
    lenient: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    /// Hexadecimal digits, and their value so far.
    Size {
        digits: u8,
        value: u64,
    },
    Padding {
        value: u64,
    },
    Extensions {
        value: u64,
    },
    SizeEnd {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataEnd,
    DataEndLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

impl Default for ChunkState {
    fn default() -> Self {
        Self::Size { digits: 0, value: 0 }
    }
}

/// The bytes that one step took: `framing` bytes, and `data` bytes of the body behind them.
#[derive(Debug, PartialEq, Eq)]
pub struct ChunkStep {
    pub framing: usize,
    pub data: usize,
}

/// The bytes are not chunks.
#[derive(Debug, PartialEq, Eq)]
pub struct NotChunks;

impl Chunks {
    /// For the body of a response.
    pub fn lenient() -> Self {
        Self { lenient: true, ..Self::default() }
    }

    /// Takes framing up to the next data, and the data that is there. Takes everything, unless the
    /// data of one chunk or the body ends before.
    pub fn take(&mut self, bytes: &[u8]) -> Result<ChunkStep, NotChunks> {
        let mut framing = 0;
        while let Some(&byte) = bytes.get(framing) {
            if let ChunkState::Data { left } = self.state {
                let here = bytes.len() - framing;
                let data = usize::try_from(left).map_or(here, |left| left.min(here));
                let left = left - data as u64;
                self.state =
                    if left == 0 { ChunkState::DataEnd } else { ChunkState::Data { left } };
                return Ok(ChunkStep { framing, data });
            }
            if self.state == ChunkState::Done {
                break;
            }
            self.state = self.step(byte)?;
            framing += 1;
        }
        Ok(ChunkStep { framing, data: 0 })
    }

    /// The last chunk and the trailer section were read.
    pub fn is_done(&self) -> bool {
        self.state == ChunkState::Done
    }

    /// The state behind one byte of framing.
    fn step(&mut self, byte: u8) -> Result<ChunkState, NotChunks> {
        Ok(match (self.state, byte) {
            // fifteen digits fit into 60 bits
            (
                ChunkState::Size { digits: digits @ ..15, value },
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
            ) => {
                ChunkState::Size { digits: digits + 1, value: value << 4 | u64::from(digit(byte)) }
            }
            (ChunkState::Size { digits: 1.., value }, b';') => {
                self.length = 0;
                ChunkState::Extensions { value }
            }
            (ChunkState::Size { digits: 1.., value }, b'\r') => ChunkState::SizeEnd { value },
            (
                ChunkState::Size { digits: 1.., value } | ChunkState::Padding { value },
                b' ' | b'\t',
            ) if self.lenient => {
                self.lengthen(EXTENSIONS)?;
                ChunkState::Padding { value }
            }
            (ChunkState::Padding { value }, b';') => {
                self.length = 0;
                ChunkState::Extensions { value }
            }
            (ChunkState::Padding { value }, b'\r') => ChunkState::SizeEnd { value },
            (ChunkState::Extensions { value }, b'\r') => ChunkState::SizeEnd { value },
            (ChunkState::Extensions { value }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.lengthen(EXTENSIONS)?;
                ChunkState::Extensions { value }
            }
            (ChunkState::SizeEnd { value: 0 }, b'\n') => {
                self.length = 0;
                ChunkState::TrailerStart
            }
            (ChunkState::SizeEnd { value }, b'\n') => ChunkState::Data { left: value },
            (ChunkState::DataEnd, b'\r') => ChunkState::DataEndLf,
            (ChunkState::DataEndLf, b'\n') => {
                self.length = 0;
                ChunkState::default()
            }
            (ChunkState::TrailerStart, b'\r') => ChunkState::EndLf,
            (ChunkState::TrailerStart | ChunkState::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.lengthen(TRAILERS)?;
                ChunkState::Trailer
            }
            (ChunkState::Trailer, b'\r') => ChunkState::TrailerLf,
            (ChunkState::TrailerLf, b'\n') => ChunkState::TrailerStart,
            (ChunkState::EndLf, b'\n') => ChunkState::Done,
            _ => return Err(NotChunks),
        })
    }

    fn lengthen(&mut self, longest: usize) -> Result<(), NotChunks> {
        self.length += 1;
        if self.length > longest { Err(NotChunks) } else { Ok(()) }
    }
}

fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body, the length of its coded form, and whether its end was seen; read `at_once` bytes
    /// at a time.
    fn read(bytes: &[u8], at_once: usize) -> Result<(Vec<u8>, usize, bool), NotChunks> {
        let (mut chunks, mut body, mut at) = (Chunks::default(), Vec::new(), 0);
        while at < bytes.len() && !chunks.is_done() {
            let piece = &bytes[at..bytes.len().min(at + at_once)];
            let ChunkStep { framing, data } = chunks.take(piece)?;
            body.extend_from_slice(&piece[framing..framing + data]);
            at += framing + data;
        }
        Ok((body, at, chunks.is_done()))
    }

    #[test]
    fn chunks_are_read_at_any_pace() {
        let coded =
            b"3\r\nabc\r\n00A;x=\"1\"\r\n0123456789\r\n0;last\r\nTrailer: 1\r\n\r\nGET /next";
        for at_once in 1..coded.len() {
            let expected = (b"abc0123456789".to_vec(), coded.len() - b"GET /next".len(), true);
            assert_eq!(read(coded, at_once), Ok(expected), "{at_once}");
        }
        assert_eq!(read(b"3\r\nab", 9), Ok((b"ab".to_vec(), 5, false)));
    }

    #[test]
    fn a_byte_that_is_out_of_place_ends_it() {
        for coded in [
            "x\r\n\r\n",
            "\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "0x3\r\nabc\r\n",
            " 3\r\nabc\r\n",
            "3 \r\nabc\r\n",
            "3\nabc\r\n",
            "3\r\r\nabc",
            "3\r\nabcde\r\n",
            "3\r\nabc\n0\r\n",
            "3;\n\r\nabc",
            "3;a\0\r\nabc",
            "0\r\n\n",
            "0\r\na\nb\r\n\r\n",
            "0\r\n\rx",
            "1000000000000000\r\n",
            "ffffffffffffffffff\r\n",
        ] {
            assert_eq!(read(coded.as_bytes(), 99), Err(NotChunks), "{coded:?}");
        }
        let long = format!("1;{}\r\n", "x".repeat(EXTENSIONS + 1));
        assert_eq!(read(long.as_bytes(), 99), Err(NotChunks));
        let long = format!("0\r\n{}", "a: b\r\n".repeat(TRAILERS));
        assert_eq!(read(long.as_bytes(), 99), Err(NotChunks));
    }

    #[test]
    fn a_server_may_pad_its_sizes() {
        let mut chunks = Chunks::lenient();
        assert_eq!(chunks.take(b"3  \t\r\nabc"), Ok(ChunkStep { framing: 6, data: 3 }));
        assert_eq!(chunks.take(b"\r\n0 ;x\r\n\r\n"), Ok(ChunkStep { framing: 10, data: 0 }));
        assert!(chunks.is_done());
    }

    proptest! {
        #[test]
        fn the_pace_changes_nothing(coded in "([0-3](;[a-z]{0,2})?\r?\n?[a-z]{0,3}(\r\n)?){0,4}0?(\r\n){0,2}", at_once in 1usize..9) {
            prop_assert_eq!(read(coded.as_bytes(), at_once), read(coded.as_bytes(), 999));
        }
    }
}
