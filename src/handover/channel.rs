//! Sealed messages between the two processes. The peer is a process of the same user (or root), by
//! the kernel's peer credentials; the messages are encrypted with keys that only these two
//! processes have (X25519, RFC 7748; HKDF, RFC 5869; AES-256-GCM).

use super::message::HandoverMessage;
use aws_lc_rs::aead::{self, AES_256_GCM, Aad, BoundKey, Nonce, NonceSequence, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand::SystemRandom;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Both processes must speak the same version.
const VERSION: u8 = 1;

/// Bytes of an X25519 public key.
const PUBLIC: usize = 32;

/// Bytes of a message at most.
const LONGEST: usize = 64 << 20;

/// How long the other process may take for one message.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Old,
    New,
}

pub struct Channel {
    stream: UnixStream,
    seal: aead::SealingKey<Counter>,
    open: aead::OpeningKey<Counter>,
}

impl Channel {
    /// Makes sure of the peer and agrees on keys.
    ///
    /// # Errors
    ///
    /// Fails when the peer is another user's process, of another version, or too slow.
    pub fn establish(mut stream: UnixStream, side: Side) -> io::Result<Self> {
        let peer = socket_peercred(&stream)?.uid;
        if peer != geteuid() && !peer.is_root() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the other process belongs to user {}", peer.as_raw()),
            ));
        }
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(&X25519, &random).map_err(cryptography)?;
        let own = private.compute_public_key().map_err(cryptography)?;
        stream.write_all(&[VERSION])?;
        stream.write_all(own.as_ref())?;
        let (mut version, mut theirs) = ([0], [0; PUBLIC]);
        stream.read_exact(&mut version)?;
        if version != [VERSION] {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the other process is of a version that hands over in another way; restart instead",
            ));
        }
        stream.read_exact(&mut theirs)?;
        let key = |shared: &[u8], from: Side| -> Result<UnboundKey, Unspecified> {
            let (old, new) = match side {
                Side::Old => (own.as_ref(), &theirs[..]),
                Side::New => (&theirs[..], own.as_ref()),
            };
            let name: &[u8] = if from == Side::Old { b"old to new" } else { b"new to old" };
            let keys = Salt::new(HKDF_SHA256, b"introgate handover").extract(shared);
            let info = [old, new, name];
            Ok(UnboundKey::from(keys.expand(&info, &AES_256_GCM)?))
        };
        let other = if side == Side::Old { Side::New } else { Side::Old };
        let peer = UnparsedPublicKey::new(&X25519, theirs);
        let (to, from) = agree_ephemeral(private, peer, Unspecified, |shared| {
            Ok((key(shared, side)?, key(shared, other)?))
        })
        .map_err(cryptography)?;
        Ok(Self {
            stream,
            seal: aead::SealingKey::new(to, Counter(0)),
            open: aead::OpeningKey::new(from, Counter(0)),
        })
    }

    pub fn send(&mut self, message: &HandoverMessage) -> io::Result<()> {
        let mut sealed = serde_json::to_vec(message)?;
        self.seal.seal_in_place_append_tag(Aad::empty(), &mut sealed).map_err(cryptography)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.stream.write_all(&length.to_be_bytes())?;
        self.stream.write_all(&sealed)
    }

    pub fn receive(&mut self) -> io::Result<HandoverMessage> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
        }
        let mut sealed = vec![0; length];
        self.stream.read_exact(&mut sealed)?;
        let message = self.open.open_in_place(Aad::empty(), &mut sealed).map_err(cryptography)?;
        Ok(serde_json::from_slice(message)?)
    }

    /// Messages may now take any time to come.
    pub fn wait_for_ever(&self) -> io::Result<()> {
        self.stream.set_read_timeout(None)
    }

    /// For descriptors.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

fn cryptography(_: Unspecified) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message could not be sealed or opened")
}

/// A key seals one message with each number.
struct Counter(u64);

impl NonceSequence for Counter {
    fn advance(&mut self) -> Result<Nonce, Unspecified> {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.0.to_be_bytes());
        self.0 = self.0.checked_add(1).ok_or(Unspecified)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sealed_and_come_in_order() {
        let Ok((here, there)) = UnixStream::pair() else { panic!("no sockets") };
        let old = std::thread::spawn(move || -> io::Result<()> {
            let mut channel = Channel::establish(here, Side::Old)?;
            channel.send(&HandoverMessage::End)?;
            channel.send(&HandoverMessage::Key([7; 32]))?;
            assert!(matches!(channel.receive()?, HandoverMessage::Ready));
            Ok(())
        });
        let received = || -> io::Result<_> {
            let mut channel = Channel::establish(there, Side::New)?;
            let messages = (channel.receive()?, channel.receive()?);
            channel.send(&HandoverMessage::Ready)?;
            Ok(messages)
        };
        let messages = received();
        assert!(
            matches!(messages, Ok((HandoverMessage::End, HandoverMessage::Key(key))) if key == [7; 32])
        );
        assert!(old.join().is_ok_and(|sent| sent.is_ok()));
    }

    #[test]
    fn a_message_that_was_changed_is_not_opened() {
        let Ok((here, mut there)) = UnixStream::pair() else { panic!("no sockets") };
        let new = std::thread::spawn(move || -> io::Result<HandoverMessage> {
            Channel::establish(here, Side::New)?.receive()
        });
        let mut hello = [0; 1 + PUBLIC];
        assert!(there.read_exact(&mut hello).is_ok());
        let ours = || -> Result<Vec<u8>, Unspecified> {
            let key = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())?;
            Ok(key.compute_public_key()?.as_ref().to_vec())
        };
        let Ok(ours) = ours() else { panic!("a key") };
        let sent = [&[VERSION][..], &ours, &20_u32.to_be_bytes(), &[0; 20]].concat();
        assert!(there.write_all(&sent).is_ok());
        assert!(new.join().is_ok_and(|opened| opened.is_err()));
    }
}
