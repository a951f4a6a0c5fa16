//! The listener under the fake servers: a thread a connection, stoppable at any moment with every
//! connection cut.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One life of a listener. Dropping it closes the port and all connections.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: Arc<AtomicBool>,
    streams: Mutex<Vec<TcpStream>>,
}

/// The part of the server that the thread of a connection knows.
#[derive(Clone)]
pub struct Running {
    stopped: Arc<AtomicBool>,
}

impl Running {
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Sleeps, but not beyond the server's end. False when the server ended.
    pub fn sleep(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
        false
    }

    /// Sleeps until the server ends.
    pub fn hang(&self) {
        while self.sleep(Duration::from_secs(1)) {}
    }
}

/// Another test looking for a free port may hold this one for a moment.
fn bind(port: u16) -> TcpListener {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) if Instant::now() > deadline => panic!("bind a loopback port: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

impl Server {
    /// Listens on a loopback port and runs `serve(stream, running)` in a thread of its own for each
    /// connection;
    /// `counter` counts them.
    pub fn start<F>(port: u16, counter: Arc<AtomicUsize>, serve: F) -> Server
    where
        F: Fn(TcpStream, Running) + Send + Sync + 'static,
    {
        let listener = bind(port);
        let shared = Arc::new(Shared::default());
        let (inner, serve) = (shared.clone(), Arc::new(serve));
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if inner.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let Ok(handle) = stream.try_clone() else {
                    continue;
                };
                inner.streams.lock().expect("streams").push(handle);
                counter.fetch_add(1, Ordering::SeqCst);
                let running = Running { stopped: inner.stopped.clone() };
                let serve = serve.clone();
                std::thread::spawn(move || {
                    // the list above holds the socket open, so the end of this thread has to be
                    // signalled to the other side
                    let ending = stream.try_clone();
                    serve(stream, running);
                    if let Ok(stream) = ending {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                });
            }
        });
        Server { port, shared, acceptor: Some(acceptor) }
    }

    /// Cuts the connections that are open now; new ones are still taken.
    pub fn cut_connections(&self) {
        for stream in self.shared.streams.lock().expect("streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // wakes the acceptor, which then sees that it is over
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.cut_connections();
    }
}
