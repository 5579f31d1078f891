//! Many sandboxes at a time.
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{Test, mount, says, script};

pub const TESTS: &[Test] = &[(
    "two_hundred_start_side_by_side",
    two_hundred_start_side_by_side,
)];

fn two_hundred_start_side_by_side() {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= 200 {
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            let mut sandbox = script(&format!(
                "echo {number} | cat > /reproof/out/n; echo {number}"
            ));
            sandbox
                .mounts
                .push(mount(folder.path(), "/reproof/out", true));
            assert_eq!(says(&sandbox), format!("{number}\n"));
            let written = std::fs::read_to_string(folder.path().join("n")).unwrap();
            assert_eq!(written, format!("{number}\n"));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..40).map(|_| scope.spawn(work)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
    });
}
