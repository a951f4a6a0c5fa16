//! A response's body on its way from the upstream to the client.

use super::carry_out::PlainExchange;
use super::upload::{LAST_CHUNK, chunk, size_line};
use super::upstream::UpstreamExchange;
use crate::proxy::chunks::{ChunkStep, Chunks, NotChunks};
use bytes::BytesMut;
use pingora_core::Result;
use pingora_error::{Error, ErrorType};
use std::io::IoSlice;
use std::ops::Range;

/// Bytes of a long body that are read at once.
const PIECE: usize = 64 * 1024;

/// Bytes per read of a body of unknown length; more, if the last read filled the buffer.
const LITTLE: usize = 8 * 1024;

/// A shorter run of data is cheaper to copy than to write as a piece of its own.
const COPIED: usize = 1024;

impl PlainExchange<'_> {
    /// Passes a body on that has `left` bytes, behind the head in `to`. Gives whether nothing came
    /// behind it.
    pub async fn pass_length(
        &mut self,
        upstream: &mut UpstreamExchange,
        mut to: BytesMut,
        mut left: usize,
    ) -> Result<bool> {
        let (body, mut over) = parted(&upstream.read, left);
        left -= body.len();
        if left == 0 {
            to.extend_from_slice(body);
            upstream.write(self.client, &to).await?;
        } else {
            // the rest of a response that is not very long is mostly there: one write takes all
            let first = std::mem::take(&mut upstream.read);
            upstream.read.reserve(left.min(PIECE));
            upstream.read_present().await;
            let more = std::mem::take(&mut upstream.read);
            let (rest, behind) = parted(&more, left);
            (left, over) = (left - rest.len(), behind);
            let mut parts = [&to[..], &first, rest].map(IoSlice::new);
            upstream.write_parts(self.client, &mut parts).await?;
            upstream.read = more;
        }
        self.status = self.coming;
        while left > 0 {
            upstream.read.clear();
            upstream.read.reserve(left.min(PIECE));
            upstream.read_on(self.client).await?;
            let read = std::mem::take(&mut upstream.read);
            let (body, more) = parted(&read, left);
            upstream.write(self.client, body).await?;
            (left, over) = (left - body.len(), more);
            upstream.read = read;
        }
        Ok(!over)
    }

    /// The same for a chunked body.
    pub async fn pass_chunks(
        &mut self,
        upstream: &mut UpstreamExchange,
        mut to: BytesMut,
    ) -> Result<bool> {
        let (mut chunks, mut runs) = (Chunks::lenient(), Vec::new());
        loop {
            let read = std::mem::take(&mut upstream.read);
            let taken = data(&mut chunks, &read, &mut runs);
            let pieces = framed(&read, &runs, chunks.is_done(), &mut to);
            let slice = |piece: &BodyPart| match piece {
                BodyPart::Made(range) => IoSlice::new(&to[range.clone()]),
                BodyPart::Read(range) => IoSlice::new(&read[range.clone()]),
            };
            let mut slices: Vec<_> = pieces.iter().map(slice).collect();
            upstream.write_parts(self.client, &mut slices).await?;
            self.status = self.coming;
            to.clear();
            // the data before the mistake was forwarded, and the response breaks off
            let taken = taken.map_err(|NotChunks| not_chunks())?;
            if chunks.is_done() {
                return Ok(taken == read.len());
            }
            let filled = read.len() == read.capacity();
            upstream.read = read;
            upstream.read.clear();
            upstream.read.reserve(if filled { PIECE } else { LITTLE });
            upstream.read_on(self.client).await?;
        }
    }

    /// The same for a body that ends with the connection: the client gets it in chunks.
    pub async fn pass_rest(
        &mut self,
        upstream: &mut UpstreamExchange,
        mut to: BytesMut,
    ) -> Result<()> {
        loop {
            if !upstream.read.is_empty() {
                chunk(&mut to, &upstream.read);
            }
            upstream.write(self.client, &to).await?;
            self.status = self.coming;
            to.clear();
            upstream.read.clear();
            upstream.read.reserve(LITTLE);
            if !upstream.read_or_end(self.client).await? {
                return upstream.write(self.client, LAST_CHUNK).await;
            }
        }
    }
}

/// The part of `bytes` that belongs to a body with `left` bytes missing, and whether there is more.
fn parted(bytes: &[u8], left: usize) -> (&[u8], bool) {
    bytes.split_at_checked(left).map_or((bytes, false), |(body, more)| (body, !more.is_empty()))
}

/// Finds the data in chunks, and how many bytes were taken.
fn data(
    chunks: &mut Chunks,
    bytes: &[u8],
    runs: &mut Vec<Range<usize>>,
) -> Result<usize, NotChunks> {
    runs.clear();
    let mut at = 0;
    while at < bytes.len() && !chunks.is_done() {
        let ChunkStep { framing, data } = chunks.take(&bytes[at..])?;
        at += framing;
        if data > 0 {
            runs.push(at..at + data);
        }
        at += data;
    }
    Ok(at)
}

/// Bytes of the sent body: made here, or where they were read.
enum BodyPart {
    Made(Range<usize>),
    Read(Range<usize>),
}

/// Frames the runs of `read` anew, `to` being what goes before them. Long runs are not copied.
fn framed(read: &[u8], runs: &[Range<usize>], last: bool, to: &mut BytesMut) -> Vec<BodyPart> {
    let (mut pieces, mut made) = (Vec::new(), 0);
    for run in runs {
        if run.len() < COPIED {
            chunk(to, &read[run.clone()]);
            continue;
        }
        to.extend_from_slice(size_line(run.len(), &mut [0; 18]));
        pieces.extend([BodyPart::Made(made..to.len()), BodyPart::Read(run.clone())]);
        made = to.len();
        to.extend_from_slice(b"\r\n");
    }
    if last {
        to.extend_from_slice(LAST_CHUNK);
    }
    pieces.push(BodyPart::Made(made..to.len()));
    pieces
}

fn not_chunks() -> Box<Error> {
    Error::explain(ErrorType::ReadError, "the upstream's body is not chunked").into_up()
}
