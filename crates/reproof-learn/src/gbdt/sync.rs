//! Where the threads of a training wait for each other.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::thread;

/// A barrier that does not wait for ever for a thread that has panicked.
#[derive(Debug)]
pub(super) struct Rendezvous {
    parties: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    meeting: u64,
    broken: bool,
}

impl Rendezvous {
    /// A place where this many threads meet.
    pub fn new(parties: usize) -> Self {
        Self {
            parties,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Waits until every thread is here.
    ///
    /// # Panics
    /// If another thread has panicked: its own panic is the one that is reported.
    pub fn meet(&self) {
        if self.parties == 1 {
            return;
        }
        let mut state = lock(&self.state);
        state.waiting += 1;
        if state.waiting == self.parties {
            state.waiting = 0;
            state.meeting += 1;
            self.changed.notify_all();
        } else {
            let meeting = state.meeting;
            while state.meeting == meeting && !state.broken {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        assert!(!state.broken, "another thread of the training has panicked");
    }

    /// Held by each thread; tells the others of its panic.
    pub fn guard(&self) -> Guard<'_> {
        Guard(self)
    }
}

/// See [`Rendezvous::guard`].
pub(super) struct Guard<'a>(&'a Rendezvous);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.state).broken = true;
            self.0.changed.notify_all();
        }
    }
}

/// The value of a mutex. What a thread that panicked left in it is never read: see [`Rendezvous`].
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to read.
pub(super) fn read<T>(value: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    value.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to write.
pub(super) fn write<T>(value: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    value.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_thread_goes_on_before_all_are_there() {
        let (rendezvous, arrived) = (Rendezvous::new(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 1..=100 {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        rendezvous.meet();
                        assert_eq!(arrived.load(Ordering::SeqCst), round * 3);
                        rendezvous.meet();
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_releases_those_who_wait() {
        let rendezvous = Rendezvous::new(2);
        let waiter = thread::scope(|scope| {
            let waiter = scope.spawn(|| rendezvous.meet());
            let other = scope.spawn(|| {
                let _guard = rendezvous.guard();
                panic!("on purpose");
            });
            assert!(other.join().is_err());
            waiter.join()
        });
        assert!(waiter.is_err());
    }
}
