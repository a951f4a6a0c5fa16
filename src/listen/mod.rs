//! How connections of clients come in: the sockets, the limits, and the properties of a connection.
//!
//! pingora's own listeners bind once and for good and accept without a limit. The gateway accepts
//! connections itself, and hands each one to the application as a pingora stream:
//!
//! | | |
//! |---|---|
//! | `settings` | one listener's settings |
//! | `socket` | an address becomes a listening socket |
//! | `systemd` | sockets that were opened before the program started |
//! | `descriptors` | how many connections the open-files limit leaves room for |
//! | `quota` | how many connections there may be at once |
//! | `accept` | the accept loop |
//! | `socket_stream` | the bytes of a connection, with a time limit for writes |
//! | `connection` | a connection as pingora sees it |
//! | `proxy_protocol` | the header in which a proxy names its client |
//! | [`tls`] | certificates and handshakes |
//! | `arrival` | the gate's view of a connection |

mod accept;
mod arrival;
mod connection;
mod descriptors;
mod proxy_protocol;
mod quota;
mod settings;
mod socket;
mod socket_stream;
mod systemd;
pub mod tls;

pub use accept::{Acceptor, accept};
pub use arrival::{Arrival, Listener};
pub use connection::ClientConnection;
pub use descriptors::{Capacity, raise_limit};
pub use quota::Quota;
pub use settings::{Limits, Listen, ListenerSettings, Protocols, Serves};
pub use socket::{OpenSockets, Socket, open};
pub use systemd::PassedSockets;
