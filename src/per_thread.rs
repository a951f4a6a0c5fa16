//! Values that all threads write, without the threads waiting for one another.
//!
//! A processor that writes to a cache line takes it from all others. A count that every request
//! writes is therefore split: each thread has a place of its own, and the places lie on different
//! cache lines. A reader adds them up. Threads may share a place, where there are more of them than
//! processors: then they share the cost, and the sum is right all the same.

use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Places at most: each takes two cache lines.
const MOST: usize = 64;

/// How many places there are: a power of two, one for each processor that the process may use.
pub fn places() -> usize {
    static PLACES: OnceLock<usize> = OnceLock::new();
    *PLACES.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        processors.next_power_of_two().min(MOST)
    })
}

/// The number of the calling thread: threads are numbered in the order in which they first ask.
#[inline]
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// A value for each place.
#[derive(Debug)]
pub struct PerThread<T>(Box<[CachePadded<T>]>);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self(std::iter::repeat_with(CachePadded::default).take(places()).collect())
    }
}

impl<T> PerThread<T> {
    /// The value of the calling thread.
    #[inline]
    pub fn mine(&self) -> &T {
        // the number of places is a power of two
        &self.0[number() & (self.0.len() - 1)]
    }

    /// The values of all places.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|value| &**value)
    }
}

/// A shared value. A plain `Arc` counts its users in one place, which all threads write; the users
/// of each place are counted there.
pub struct Spread<T> {
    value: Arc<T>,
    places: Arc<[Handle<T>]>,
}

/// Keeps a [`Spread`] value, and counts as a user at the place of the thread that took it.
pub struct Handle<T>(Arc<CachePadded<Arc<T>>>);

impl<T> Spread<T> {
    /// A handle for each place.
    pub fn new(value: Arc<T>) -> Self {
        let handle = || Handle(Arc::new(CachePadded::new(value.clone())));
        let places = std::iter::repeat_with(handle).take(places()).collect();
        Self { value, places }
    }

    /// Keeps the value for longer than the borrow of `self`.
    #[inline]
    pub fn handle(&self) -> Handle<T> {
        self.places[number() & (self.places.len() - 1)].clone()
    }
}

impl<T> Clone for Spread<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), places: self.places.clone() }
    }
}

impl<T> Deref for Spread<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// How many of something are alive.
pub struct Living(Box<[Arc<CachePadded<Lives>>]>);

/// Both only ever grow.
#[derive(Default)]
struct Lives {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// Counts one of something for as long as it is held.
pub struct Counted(Arc<CachePadded<Lives>>);

impl Default for Living {
    fn default() -> Self {
        Self(std::iter::repeat_with(Arc::default).take(places()).collect())
    }
}

impl Living {
    /// Begins to count one more.
    #[inline]
    pub fn one(&self) -> Counted {
        let lives = &self.0[number() & (self.0.len() - 1)];
        lives.begun.fetch_add(1, Ordering::SeqCst);
        Counted(lives.clone())
    }

    /// How many there are. With 0, there was a moment during the call at which there were none: all
    /// ends are read before all beginnings, so that the same sums mean that nothing began meanwhile.
    pub fn now(&self) -> usize {
        let ended: usize = self.0.iter().map(|lives| lives.ended.load(Ordering::SeqCst)).sum();
        let begun: usize = self.0.iter().map(|lives| lives.begun.load(Ordering::SeqCst)).sum();
        begun.saturating_sub(ended)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// So that there are several places on a machine with one processor too.
    fn per_thread<T: Default>(places: usize) -> PerThread<T> {
        PerThread(std::iter::repeat_with(CachePadded::default).take(places).collect())
    }

    #[test]
    fn a_thread_stays_in_its_place_and_the_sum_is_whole() {
        let counts: PerThread<AtomicUsize> = per_thread(4);
        std::thread::scope(|scope| {
            for _ in 0..7 {
                scope.spawn(|| {
                    let mine = counts.mine();
                    for _ in 0..1000 {
                        assert!(std::ptr::eq(mine, counts.mine()));
                        counts.mine().fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let all: Vec<_> = counts.all().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(all.iter().sum::<usize>(), 7000);
        assert!(places().is_power_of_two());
    }

    #[test]
    fn places_lie_on_different_cache_lines() {
        let counts: PerThread<AtomicUsize> = per_thread(2);
        let at: Vec<usize> = counts.all().map(|count| std::ptr::from_ref(count).addr()).collect();
        assert!(at[0].abs_diff(at[1]) >= 64, "{at:?}");
    }

    #[test]
    fn a_value_lives_as_long_as_its_last_handle() {
        struct Noted(Arc<AtomicBool>);
        impl Drop for Noted {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let spread = Spread::new(Arc::new(Noted(dropped.clone())));
        let handle = std::thread::scope(|scope| scope.spawn(|| spread.handle()).join().ok());
        drop(spread);
        assert!(!dropped.load(Ordering::SeqCst) && handle.is_some());
        drop(handle);
        assert!(dropped.load(Ordering::SeqCst));
    }

    /// At every moment at least one is alive: it is handed from thread to thread, and ends only
    /// when the next one has begun.
    #[test]
    fn none_is_never_read_while_there_is_one() {
        let living = Living::default();
        let held = parking_lot::Mutex::new(Some(living.one()));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (living, held, over) = (&living, &held, &over);
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(move || {
                        for _ in 0..5000 {
                            let next = living.one();
                            let last = held.lock().replace(next);
                            drop(last);
                        }
                    })
                })
                .collect();
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    assert!((1..=5).contains(&living.now()));
                }
            });
            for thread in threads {
                let _ = thread.join();
            }
            over.store(true, Ordering::SeqCst);
        });
        assert_eq!(living.now(), 1);
        drop(held);
        assert_eq!(living.now(), 0);
    }
}
