//! The new process: takes over from one that runs.

use super::channel::{Channel, Side};
use super::descriptors;
use super::message::{HandedSocket, HandoverMessage};
use crate::cache::{CacheSettings, Purge, Store};
use crate::clock::Clock;
use crate::listen::Socket;
use crate::proof::dpop::{HandedProof, Seen};
use crate::token::DigestKey;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum TakeError {
    #[error(
        "no gateway with this configuration can be reached at {0}: {1}; start it without --upgrade"
    )]
    Unreachable(PathBuf, #[source] io::Error),
    #[error("the running gateway could not hand over: {0}; it continues as before")]
    Failed(#[from] io::Error),
}

/// Everything that the running process handed over.
pub struct HandedOver {
    channel: Channel,
    /// Its open sockets, by the addresses of their listeners.
    pub sockets: Vec<(String, Socket)>,
    pub key: DigestKey,
    answers: Vec<crate::cache::HandedAnswer>,
    proofs: Vec<HandedProof>,
}

/// Takes over from the process that waits at `path`. It continues until [`HandedOver::ready`].
pub fn take(path: &Path) -> Result<HandedOver, TakeError> {
    let stream = UnixStream::connect(path)
        .map_err(|error| TakeError::Unreachable(path.to_owned(), error))?;
    let mut channel = Channel::establish(stream, Side::New)?;
    let (mut sockets, mut key, mut answers, mut proofs) =
        (Vec::new(), None, Vec::new(), Vec::new());
    loop {
        match channel.receive()? {
            HandoverMessage::Listeners(listening) => {
                for HandedSocket { address, unix } in listening {
                    let descriptor = descriptors::receive(channel.stream())?;
                    let socket = if unix {
                        Socket::Unix(descriptor.into())
                    } else {
                        Socket::Tcp(descriptor.into())
                    };
                    sockets.push((address, socket));
                }
            }
            HandoverMessage::Key(bytes) => key = Some(DigestKey::from(bytes)),
            HandoverMessage::Answers(some) => answers.extend(some),
            HandoverMessage::Proofs(some) => proofs.extend(some),
            HandoverMessage::End => break,
            HandoverMessage::Ready | HandoverMessage::Purge(_) => return Err(unexpected().into()),
        }
    }
    let key = key.ok_or_else(unexpected)?;
    Ok(HandedOver { channel, sockets, key, answers, proofs })
}

impl HandedOver {
    /// Keeps the answers and the proofs that were used. How many answers are kept.
    pub fn keep(
        &mut self,
        store: &Store,
        seen: &Seen,
        settings: &CacheSettings,
        clock: &Clock,
    ) -> usize {
        let now = clock.now();
        seen.take_over(std::mem::take(&mut self.proofs));
        let answers = std::mem::take(&mut self.answers).into_iter();
        answers.fold(0, |kept, answer| kept + usize::from(store.take_over(answer, settings, now)))
    }

    /// Asks the old process to stop, and repeats its purges until it has ended.
    pub fn ready(mut self, store: Arc<Store>) -> io::Result<()> {
        self.channel.send(&HandoverMessage::Ready)?;
        self.channel.wait_for_ever()?;
        let follow = move || {
            while let Ok(HandoverMessage::Purge(forget)) = self.channel.receive() {
                store.purge(&Purge::from(forget));
            }
        };
        std::thread::Builder::new().name("purges".to_owned()).spawn(follow)?;
        Ok(())
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an unexpected message")
}
