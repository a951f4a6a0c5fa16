//! An address becomes a listening socket.

use super::settings::Listen;
use super::systemd::PassedSockets;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Connections that wait to be accepted; the system's own bound is mostly lower.
const BACKLOG: i32 = 65_535;

/// Bytes for a client that the system takes before it has sent those that it took earlier.
const UNSENT: u32 = 128 * 1024;

/// A listening socket that does not block, and that no runtime knows yet.
#[derive(Debug)]
pub enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Socket {
    /// Sets the options that connections inherit.
    pub fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => prepare_tcp(&SockRef::from(socket)),
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// A second handle of the same socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// The sockets of the listeners that are open, by the listeners' addresses.
#[derive(Debug, Default)]
pub struct OpenSockets(Mutex<Vec<(String, Socket)>>);

impl OpenSockets {
    pub fn opened(&self, address: &Listen, sockets: &[Socket]) {
        for socket in sockets {
            match socket.try_clone() {
                Ok(socket) => self.0.lock().push((address.to_string(), socket)),
                Err(error) => tracing::warn!(%error, "the socket cannot be handed over later"),
            }
        }
    }

    pub fn closed(&self, address: &Listen) {
        let address = address.to_string();
        self.0.lock().retain(|(other, _)| *other != address);
    }

    /// Second handles of all of them.
    pub fn clones(&self) -> io::Result<Vec<(String, Socket)>> {
        let open = self.0.lock();
        open.iter().map(|(address, socket)| Ok((address.clone(), socket.try_clone()?))).collect()
    }
}

/// Binds an address and listens on it, or takes the sockets that systemd passed.
pub fn open(address: &Listen, passed: &PassedSockets) -> io::Result<Vec<Socket>> {
    match address {
        Listen::Tcp(address) => tcp(*address).map(|socket| vec![Socket::Tcp(socket)]),
        Listen::Unix(path) => unix(path).map(|socket| vec![Socket::Unix(socket)]),
        Listen::Systemd(name) => passed.named(name),
    }
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // connections of an earlier process that wait for their end do not block the address
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    prepare_tcp(&SockRef::from(&socket))?;
    Ok(socket.into())
}

/// Connections inherit the options of the socket that accepts them.
fn prepare_tcp(socket: &SockRef<'_>) -> io::Result<()> {
    // answers are written whole, and to wait for more only delays them
    socket.set_tcp_nodelay(true)?;
    // the system takes little more than the client does, so that a write shows its progress
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)
}

/// A socket file on which no process listens is left over from an earlier run, and is replaced.
fn unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // who may connect is decided by the permissions of the folder
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_socket_file_is_replaced_and_other_files_are_not() {
        let Ok(folder) = tempfile::tempdir() else { panic!("no folder") };
        let (path, file) = (folder.path().join("in.sock"), folder.path().join("file"));
        assert!(fs::write(&file, "kept").is_ok());

        let open = |path| open(&Listen::Unix(path), &PassedSockets::none());
        let first = open(path.clone());
        assert!(first.is_ok());
        let second = open(path.clone()).map_err(|error| error.kind());
        assert!(matches!(second, Err(io::ErrorKind::AddrInUse)), "{second:?}");
        drop(first);
        assert!(path.exists() && open(path).is_ok());

        let refused = open(file.clone()).map_err(|error| error.kind());
        assert!(matches!(refused, Err(io::ErrorKind::AlreadyExists)), "{refused:?}");
        assert!(fs::read(file).is_ok_and(|content| content == b"kept"));
    }
}
