//! Lines on their way to a slow place: a request appends to a buffer, a thread of its own writes it
//! out. A line that finds the buffer full is dropped and counted.

use parking_lot::{Condvar, Mutex};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes that may wait.
const LIMIT: usize = 4 * 1024 * 1024;

/// Under load, lines of this long are written at a time: a write and a wake-up for each would cost
/// more than the lines.
const GATHER: Duration = Duration::from_millis(5);

#[derive(Default)]
pub struct Queue {
    waiting: Mutex<QueuedLines>,
    /// There is something to write, or nothing will come any more.
    some: Condvar,
    /// Everything has been written.
    done: Condvar,
    dropped: AtomicUsize,
}

#[derive(Default)]
struct QueuedLines {
    lines: Vec<u8>,
    finishing: bool,
    finished: bool,
}

impl Queue {
    pub fn start(to: impl Write + Send + 'static) -> Arc<Self> {
        let queue = Arc::new(Self::default());
        let for_thread = queue.clone();
        let started = std::thread::Builder::new()
            .name("access log".into())
            .spawn(move || for_thread.write_out(to));
        if let Err(error) = started {
            tracing::error!(%error, "there is no thread for the access log; its lines are lost");
            queue.waiting.lock().finished = true;
        }
        queue
    }

    /// Appends a line, its end included.
    pub fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock();
        if waiting.finishing || waiting.finished || waiting.lines.len() + line.len() > LIMIT {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first {
            self.some.notify_one();
        }
    }

    /// Waits until everything is written, though not for ever.
    pub fn finish(&self) {
        let mut waiting = self.waiting.lock();
        waiting.finishing = true;
        self.some.notify_one();
        if !waiting.finished {
            self.done.wait_for(&mut waiting, Duration::from_secs(1));
        }
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }

    fn write_out(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.waiting.lock();
            if waiting.lines.is_empty() {
                if waiting.finishing {
                    waiting.finished = true;
                    self.done.notify_all();
                    return;
                }
                self.some.wait(&mut waiting);
            }
            if !waiting.finishing {
                self.some.wait_for(&mut waiting, GATHER);
            }
            std::mem::swap(&mut waiting.lines, &mut lines);
            drop(waiting);
            // failures of the log cannot be logged
            let _ = to.write_all(&lines).and_then(|()| to.flush());
            lines.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a moment for everything.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            std::thread::sleep(Duration::from_millis(20));
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_arrives_in_order_before_the_end() {
        let to = Slow::default();
        let queue = Queue::start(to.clone());
        for n in 0..1000 {
            queue.push(format!("{n}\n").as_bytes());
        }
        queue.finish();
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&to.0.lock()), expected);
        queue.push(b"late\n");
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_counted() {
        let queue = Queue::start(Slow::default());
        queue.push(&vec![b'x'; LIMIT + 1]);
        assert_eq!(queue.dropped(), 1);
    }
}
