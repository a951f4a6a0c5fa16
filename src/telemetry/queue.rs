//! Lines on their way to a slow place: a request appends to its thread's batch, a thread of the
//! queue's own writes all batches out. A line that finds its batch full is dropped and counted.

use crate::clock::Mono;
use crate::per_thread::{PerThread, places};
use crossbeam_utils::CachePadded;
use parking_lot::{Condvar, Mutex};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes that may wait: of all batches together, but 1 MiB of each in any case.
const LIMIT: usize = 4 * 1024 * 1024;
const LEAST: usize = 1024 * 1024;

/// A batch keeps room for so much.
const KEPT: usize = 512 * 1024;

/// Under load, lines of this long are written at a time: a write and a wake-up for each would cost
/// more than the lines.
const GATHER: Duration = Duration::from_millis(5);

#[derive(Default)]
pub struct Queue {
    batches: PerThread<Mutex<LineBatch>>,
    /// The writer waits, or is about to. Requests read it, and write it only to wake the writer.
    asleep: CachePadded<AtomicBool>,
    control: Mutex<Control>,
    /// There is something to write, or nothing will come any more.
    some: Condvar,
    /// Everything has been written.
    done: Condvar,
    dropped: AtomicUsize,
}

/// Lines of one thread.
#[derive(Default)]
struct LineBatch {
    text: Vec<u8>,
    lines: Vec<QueuedLine>,
    /// No line comes any more.
    closed: bool,
}

#[derive(Clone, Copy)]
struct QueuedLine {
    at: Mono,
    /// Within the text.
    end: usize,
}

#[derive(Default)]
struct Control {
    woken: bool,
    finishing: bool,
    finished: bool,
}

impl LineBatch {
    /// The end of the last line. Text behind it is of a line that was not finished.
    fn end(&self) -> usize {
        self.lines.last().map_or(0, |line| line.end)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.lines.clear();
    }
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
            queue.close();
            queue.control.lock().finished = true;
        }
        queue
    }

    /// Appends a line: `write` writes it, its end included, behind the text that is there. Lines
    /// are written out in the order of `at`, and lines of the same moment in some order.
    pub fn push(&self, at: Mono, write: impl FnOnce(&mut Vec<u8>)) {
        let mut batch = self.batches.mine().lock();
        if batch.closed {
            drop(batch);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let start = batch.end();
        batch.text.truncate(start);
        write(&mut batch.text);
        let end = batch.text.len();
        if end > LEAST.max(LIMIT / places()) {
            batch.text.truncate(start);
            drop(batch);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        batch.lines.push(QueuedLine { at, end });
        drop(batch);
        // the writer says that it waits before it looks at the batches for the last time
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.control.lock().woken = true;
            self.some.notify_one();
        }
    }

    /// Waits until everything is written, though not for ever. Lines from now on are dropped.
    pub fn finish(&self) {
        self.close();
        let mut control = self.control.lock();
        control.finishing = true;
        self.some.notify_one();
        if !control.finished {
            self.done.wait_for(&mut control, Duration::from_secs(1));
        }
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }

    fn close(&self) {
        for batch in self.batches.all() {
            batch.lock().closed = true;
        }
    }

    fn write_out(&self, mut to: impl Write) {
        let mut taken: Vec<LineBatch> = self.batches.all().map(|_| LineBatch::default()).collect();
        let mut merged = Vec::new();
        loop {
            // seen before the batches are taken: they were closed before it was set
            let finishing = self.wait();
            self.take(&mut taken);
            // failures of the log cannot be logged
            let _ = to.write_all(in_order(&taken, &mut merged)).and_then(|()| to.flush());
            taken.iter_mut().for_each(LineBatch::clear);
            if finishing {
                self.control.lock().finished = true;
                self.done.notify_all();
                return;
            }
        }
    }

    /// Waits until there are lines, and a moment longer for more. True when no more come.
    fn wait(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let is_empty = self.batches.all().all(|batch| batch.lock().lines.is_empty());
        let mut control = self.control.lock();
        if is_empty {
            self.some.wait_while(&mut control, |control| !control.woken && !control.finishing);
        }
        self.asleep.store(false, Ordering::SeqCst);
        if !control.finishing {
            self.some.wait_for(&mut control, GATHER);
        }
        control.woken = false;
        control.finishing
    }

    /// Takes all batches at one moment: of two lines, of which one was appended before the other,
    /// the second is not taken without the first.
    fn take(&self, taken: &mut [LineBatch]) {
        let all: Vec<_> = self.batches.all().map(Mutex::lock).collect();
        for (mut batch, taken) in all.into_iter().zip(taken) {
            std::mem::swap(&mut batch.text, &mut taken.text);
            std::mem::swap(&mut batch.lines, &mut taken.lines);
        }
    }
}

/// The lines of all batches in the order of their times, so that requests of one connection, which
/// several threads may have served one after the other, keep their order.
fn in_order<'t>(batches: &'t [LineBatch], merged: &'t mut Vec<u8>) -> &'t [u8] {
    let mut filled = batches.iter().filter(|batch| !batch.lines.is_empty());
    let first = filled.next();
    if filled.next().is_none() {
        return first.map_or(&[], |batch| &batch.text[..batch.end()]);
    }
    let mut lines: Vec<(Mono, &[u8])> = Vec::new();
    for batch in batches {
        let mut start = 0;
        for line in &batch.lines {
            lines.push((line.at, &batch.text[start..line.end]));
            start = line.end;
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    merged.clear();
    merged.shrink_to(KEPT);
    for (_, line) in lines {
        merged.extend_from_slice(line);
    }
    merged
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

    fn at(n: u64) -> Mono {
        Mono::START + Duration::from_micros(n)
    }

    fn push(queue: &Queue, n: u64, line: &str) {
        queue.push(at(n), |text| text.extend_from_slice(line.as_bytes()));
    }

    #[test]
    fn every_line_arrives_in_order_before_the_end() {
        let to = Slow::default();
        let queue = Queue::start(to.clone());
        for n in 0..1000 {
            push(&queue, n, &format!("{n}\n"));
        }
        queue.finish();
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&to.0.lock()), expected);
        push(&queue, 1000, "late\n");
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_counted() {
        let to = Slow::default();
        let queue = Queue::start(to.clone());
        push(&queue, 0, &"x".repeat(LIMIT + 1));
        assert_eq!(queue.dropped(), 1);
        push(&queue, 1, "short\n");
        queue.finish();
        assert_eq!(String::from_utf8_lossy(&to.0.lock()), "short\n");
    }

    /// Each thread appends a line as soon as it has seen the line of the thread before it, as
    /// requests of one connection do that moves from thread to thread.
    #[test]
    fn lines_of_several_threads_keep_their_order() {
        let to = Slow::default();
        let queue = Queue::start(to.clone());
        let turn = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (queue, turn) = (&queue, &turn);
                scope.spawn(move || {
                    for n in (thread..400).step_by(4) {
                        while turn.load(Ordering::SeqCst) != n {
                            std::thread::yield_now();
                        }
                        push(queue, n as u64, &format!("{n}\n"));
                        turn.store(n + 1, Ordering::SeqCst);
                    }
                });
            }
        });
        queue.finish();
        let expected: String = (0..400).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&to.0.lock()), expected);
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn batches_are_merged_by_time() {
        let batch = |lines: &[(u64, &str)]| {
            let mut batch = LineBatch::default();
            for (n, line) in lines {
                batch.text.extend_from_slice(line.as_bytes());
                batch.lines.push(QueuedLine { at: at(*n), end: batch.text.len() });
            }
            batch
        };
        let (one, other) = (batch(&[(1, "a"), (4, "dd"), (5, "e")]), batch(&[(2, "b"), (3, "c")]));
        let mut merged = b"old".to_vec();
        assert_eq!(in_order(&[one, LineBatch::default(), other], &mut merged), b"abcdde");
        assert_eq!(in_order(&[LineBatch::default(), batch(&[(1, "a")])], &mut merged), b"a");
        assert_eq!(in_order(&[LineBatch::default()], &mut merged), b"");
    }

    /// A line on its own does not wait for another one.
    #[test]
    fn single_lines_arrive_soon() {
        #[derive(Clone)]
        struct Sent(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Sent {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.send(bytes.to_vec());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let queue = Queue::start(Sent(sender));
        for n in 0..50 {
            push(&queue, n, "line\n");
            let line = receiver.recv_timeout(Duration::from_secs(10));
            assert_eq!(line.as_deref(), Ok(b"line\n".as_slice()), "{n}");
        }
        queue.finish();
    }

    /// A panic while a line is written loses that line alone.
    #[test]
    fn an_unfinished_line_is_left_out() {
        let to = Slow::default();
        let queue = Queue::start(to.clone());
        push(&queue, 0, "first\n");
        let broken = std::panic::AssertUnwindSafe(|| {
            queue.push(at(1), |text| {
                text.extend_from_slice(b"half a li");
                std::panic::resume_unwind(Box::new(()));
            });
        });
        assert!(std::panic::catch_unwind(broken).is_err());
        push(&queue, 2, "second\n");
        queue.finish();
        assert_eq!(String::from_utf8_lossy(&to.0.lock()), "first\nsecond\n");
    }
}
