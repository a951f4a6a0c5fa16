//! The messages between the two processes.

use crate::cache::{Forget, HandedAnswer};
use crate::proof::dpop::HandedProof;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub enum HandoverMessage {
    /// The listening sockets, by the addresses of their listeners. As many descriptors follow.
    Listeners(Vec<HandedSocket>),
    /// The key of the digests of tokens, so that the answers are found again.
    Key([u8; 32]),
    /// Some of the active answers.
    Answers(Vec<HandedAnswer>),
    /// Some of the proofs of possession that were used.
    Proofs(Vec<HandedProof>),
    /// That was all.
    End,
    /// The new process accepts connections.
    Ready,
    /// The old process has forgotten answers.
    Purge(Forget),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedSocket {
    /// As in `listeners[].address`.
    pub address: String,
    /// Not a TCP socket.
    pub unix: bool,
}
