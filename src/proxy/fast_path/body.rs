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
        to.extend_from_slice(body);
        left -= body.len();
        upstream.write(self.client, &to).await?;
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

    /// The same for a chunked body. A chunk that fills the buffer is forwarded without a copy.
    pub async fn pass_chunks(
        &mut self,
        upstream: &mut UpstreamExchange,
        mut to: BytesMut,
    ) -> Result<bool> {
        let (mut chunks, mut runs) = (Chunks::lenient(), Vec::new());
        loop {
            let read = std::mem::take(&mut upstream.read);
            let Ok(taken) = data(&mut chunks, &read, &mut runs) else {
                // the data before it is forwarded, and the response breaks off
                runs.iter().for_each(|run| chunk(&mut to, &read[run.clone()]));
                upstream.write(self.client, &to).await?;
                self.status = self.coming;
                return Err(not_chunks());
            };
            match runs.as_slice() {
                [only] if to.is_empty() && !chunks.is_done() => {
                    let (mut line, data) = ([0; 18], &read[only.clone()]);
                    let line = size_line(data.len(), &mut line);
                    let mut parts = [line, data, b"\r\n"].map(IoSlice::new);
                    upstream.write_parts(self.client, &mut parts).await?;
                }
                runs => {
                    runs.iter().for_each(|run| chunk(&mut to, &read[run.clone()]));
                    if chunks.is_done() {
                        to.extend_from_slice(LAST_CHUNK);
                    }
                    upstream.write(self.client, &to).await?;
                    to.clear();
                }
            }
            self.status = self.coming;
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

fn not_chunks() -> Box<Error> {
    Error::explain(ErrorType::ReadError, "the upstream's body is not chunked").into_up()
}
