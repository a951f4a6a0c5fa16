//! The old process: waits for a new one, and hands over.

use super::channel::{Channel, Side};
use super::descriptors;
use super::message::{HandedSocket, HandoverMessage};
use crate::runtime::Process;
use rustix::process::{Signal, getpid, kill_process};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers and proofs in one message.
const BATCH: usize = 512;

/// Waits at `path` for as long as the process runs. If that is impossible, upgrades are not
/// available, and a warning is logged.
pub fn offer(process: Arc<Process>, path: PathBuf) {
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                %error,
                "`run --upgrade` is not available; INTROGATE_UPGRADE_SOCKET names another path"
            );
            return;
        }
    };
    let waiting = move || {
        for stream in listener.incoming() {
            match stream.and_then(|stream| hand_over(&process, stream)) {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "no other process took over; this one continues");
                }
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("upgrade".to_owned()).spawn(waiting) {
        tracing::warn!(%error, "`run --upgrade` is not available");
    }
}

/// A socket file on which no process listens is replaced, and so is that of a stopping process.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Ok(found) = fs::symlink_metadata(path) {
        use std::os::unix::fs::FileTypeExt;
        if !found.file_type().is_socket() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Returns once the process is about to end.
fn hand_over(process: &Process, stream: UnixStream) -> io::Result<()> {
    let mut channel = Channel::establish(stream, Side::Old)?;
    let now = process.parts.clock.now();
    // first, so that no purge is missed that comes while the answers are on their way
    let purges = process.parts.store.watch_purges();

    let sockets = process.sockets.clones()?;
    let listening = |(address, socket): &(String, crate::listen::Socket)| HandedSocket {
        address: address.clone(),
        unix: socket.is_unix(),
    };
    channel.send(&HandoverMessage::Listeners(sockets.iter().map(listening).collect()))?;
    for (_, socket) in &sockets {
        descriptors::send(channel.stream(), socket.as_fd())?;
    }
    channel.send(&HandoverMessage::Key(*process.parts.digest_key.expose()))?;
    send_all(&mut channel, process.parts.store.hand_over(now), HandoverMessage::Answers)?;
    let proofs = process.parts.seen_proofs.hand_over(now.unix_seconds());
    send_all(&mut channel, proofs, HandoverMessage::Proofs)?;
    channel.send(&HandoverMessage::End)?;
    let HandoverMessage::Ready = channel.receive()? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an unexpected message"));
    };
    tracing::info!("another process has taken over the listeners");
    process.replaced.store(true, Ordering::SeqCst);
    kill_process(getpid(), Signal::TERM)?;
    // it ends with the process, or with the other one
    for purge in purges {
        if channel.send(&HandoverMessage::Purge((&purge).into())).is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends many items in messages of a bounded size.
fn send_all<T>(
    channel: &mut Channel,
    mut items: Vec<T>,
    message: impl Fn(Vec<T>) -> HandoverMessage,
) -> io::Result<()> {
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(BATCH));
        channel.send(&message(items))?;
        items = rest;
    }
    Ok(())
}
