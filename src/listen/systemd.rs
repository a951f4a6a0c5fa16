//! Sockets that systemd opened before the program started (sd_listen_fds(3)).

use super::socket::Socket;
use listenfd::ListenFd;
use std::io;

/// The passed sockets, each with its name.
pub struct PassedSockets(Vec<(String, Socket)>);

impl PassedSockets {
    #[cfg(test)]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Takes them out of the environment, once for the process.
    ///
    /// # Errors
    ///
    /// Fails when a descriptor is not a listening stream socket.
    pub fn take() -> io::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..passed.len() {
            // sd_listen_fds_with_names(3): a socket without a name is called so
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "unknown".to_owned());
            let socket = match passed.take_tcp_listener(at) {
                Ok(Some(socket)) => Socket::Tcp(socket),
                Ok(None) => continue,
                Err(_) => match passed.take_unix_listener(at)? {
                    Some(socket) => Socket::Unix(socket),
                    None => continue,
                },
            };
            socket.prepare()?;
            sockets.push((name, socket));
        }
        Ok(Self(sockets))
    }

    /// The sockets of this name: one for each `ListenStream=` of the socket unit. They stay open
    /// here, so that a later configuration can have them again.
    ///
    /// # Errors
    ///
    /// Fails when there is none.
    pub fn named(&self, name: &str) -> io::Result<Vec<Socket>> {
        let named = self.0.iter().filter(|(other, _)| other == name);
        let sockets =
            named.map(|(_, socket)| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
        if sockets.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "systemd passed no socket of this name (FileDescriptorName= of the socket unit)",
            ));
        }
        Ok(sockets)
    }
}
