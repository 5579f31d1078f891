//! What building and checking an environment costs. Measurements, without bounds.

use std::time::{Duration, Instant};

use reproof_capture::environment::{Quick, materialise};
use reproof_store::Store;
use reproof_store::fs::RealIo;

use crate::scene::{Scene, inside, locked, python, seal};

/// The time that this process and the children it waited for were on a processor.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..15]
        .iter()
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The time that this thread was on a processor.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn measure<R>(what: &str, act: impl FnOnce() -> R) -> R {
    let (begun, before) = (Instant::now(), cpu());
    let result = act();
    let (wall, spent) = (begun.elapsed(), cpu().saturating_sub(before));
    println!("{what}: {wall:.2?} wall, {spent:.2?} CPU");
    result
}

#[test]
#[ignore = "a measurement"]
fn scikit_learn_and_pandas() {
    let scene = Scene::new();
    let spec = python(locked("scikit-learn\npandas\n"));
    // Once before, so that uv has the wheels.
    drop(scene.build(&spec, "warm").unwrap());
    let open = measure("build", || scene.build(&spec, "cache").unwrap());
    let again = scene.build(&spec, "longer/cache").unwrap();
    assert_eq!(open.digest(), again.digest());
    drop(again);
    let described = open.description().clone();
    println!("{} files, {} bytes", described.files, described.bytes);
    for (reason, left) in &described.left_out {
        println!(
            "left out: {reason}: {} files, {} bytes",
            left.files, left.bytes
        );
    }
    println!("notes: {:?}", described.notes);
    println!("libraries: {:?}", described.libraries.keys());
    let closure = measure("compile and seal", || seal(open));
    println!(
        "{} files of bytecode",
        closure.bytecode().unwrap().files.len()
    );
    std::thread::sleep(Duration::from_millis(2200));
    let right = measure("full check", || closure.check_full().unwrap());
    assert!(right.is_right());
    // The clock of processor time is coarse: many at once.
    let before = thread_cpu();
    for _ in 0..100 {
        assert_eq!(closure.check_quick().unwrap(), Quick::Unchanged);
    }
    let each = thread_cpu().saturating_sub(before) / 100;
    println!("quick check: {each:.2?} CPU (mean of 100)");
    let script = "import pandas, sklearn.ensemble, sklearn.linear_model as m; print(m.LogisticRegression().fit([[0],[1]], [0,1]).coef_)";
    println!(
        "{}",
        measure("import and fit", || inside(
            &closure.root(),
            &["python", "-c", script]
        ))
    );
    let store = Store::open(
        &scene.folder.path().join("store"),
        std::sync::Arc::new(RealIo),
    )
    .unwrap();
    let stored = measure("put", || {
        let mut batch = store.batch();
        let stored = closure.put(&mut batch).unwrap();
        batch.commit().unwrap();
        stored
    });
    measure("put again", || closure.put(&mut store.batch()).unwrap());
    let cache = scene.cache("other");
    measure("materialise", || {
        materialise(&store, &stored.tree, None, &cache).unwrap()
    });
}
