//! Closures in the cache and in the store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use reproof_capture::environment::{
    Closure, ClosureCache, EnvironmentError, Full, OpenClosure, Quick, build, diff, materialise,
};
use reproof_store::fs::RealIo;
use reproof_store::{Fault, FaultIo, Store};

use crate::scene::{Scene, inside, programs, python, seal, small};

fn shell(scene: &Scene) -> Closure {
    seal(scene.build(&programs(&["sh"], &[]), "cache").unwrap())
}

/// Does something to a file whose rights forbid it.
fn write(closure: &Closure, path: &str, bytes: &[u8]) {
    let path = closure.root().join(path);
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    if path.exists() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_closure_is_believed_once_it_was_hashed_at_rest() {
    let scene = Scene::new();
    let closure = shell(&scene);
    assert_eq!(closure.check_quick().unwrap(), Quick::Unknown);
    assert!(closure.check().unwrap().is_right());
    assert_eq!(
        closure.check_quick().unwrap(),
        Quick::Unknown,
        "hashed too soon"
    );
    sleep(Duration::from_millis(2200));
    assert!(closure.check().unwrap().is_right());
    assert_eq!(closure.check_quick().unwrap(), Quick::Unchanged);

    // The same size, and the same time if it can be had.
    let path = closure.root().join("etc/hosts");
    let (text, time) = (
        fs::read(&path).unwrap(),
        fs::metadata(&path).unwrap().modified().unwrap(),
    );
    write(&closure, "etc/hosts", &[b'#'].repeat(text.len()));
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let changed = vec!["etc/hosts".to_owned()];
    assert_eq!(
        closure.check_quick().unwrap(),
        Quick::Changed(changed.clone())
    );
    write(&closure, "etc/extra", b"");
    let pipe = closure.root().join("etc/pipe");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    fs::remove_file(closure.root().join("etc/group")).unwrap();
    let expect = Full {
        differing: changed,
        missing: vec!["etc/group".to_owned()],
        additional: vec!["etc/extra".to_owned(), "etc/pipe".to_owned()],
    };
    assert_eq!(closure.check().unwrap(), expect);
    assert_eq!(
        closure.check().unwrap(),
        expect,
        "what is wrong is never noted as right"
    );
}

#[test]
fn damaged_notes_cost_a_hashing_and_no_more() {
    let scene = Scene::new();
    let closure = shell(&scene);
    sleep(Duration::from_millis(2200));
    let folder = closure.root().parent().unwrap().to_owned();
    for (file, bytes) in [
        ("facts.json", &b""[..]),
        ("facts.json", b"{}"),
        ("facts.list", b"x"),
    ] {
        assert!(closure.check().unwrap().is_right());
        assert_eq!(closure.check_quick().unwrap(), Quick::Unchanged);
        fs::write(folder.join(file), bytes).unwrap();
        if file == "facts.list" {
            fs::set_permissions(
                closure.root().join("etc/hosts"),
                fs::Permissions::from_mode(0o644),
            )
            .unwrap();
        }
        assert_eq!(closure.check_quick().unwrap(), Quick::Unknown);
    }
    fs::write(folder.join("tree.json"), "{}").unwrap();
    assert!(matches!(
        closure.check(),
        Err(EnvironmentError::DamagedCache { .. })
    ));
}

#[test]
fn the_first_of_two_builders_wins() {
    let scene = Scene::new();
    let spec = programs(&["sh"], &[]);
    let (one, other) = (
        scene.build(&spec, "cache").unwrap(),
        scene.build(&spec, "cache").unwrap(),
    );
    let first = seal(one);
    let inode = |closure: &Closure| {
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(closure.root()).unwrap())
    };
    let before = inode(&first);
    let second = seal(other);
    assert_eq!(before, inode(&second));
    let cache = scene.cache("cache");
    let names = fs::read_dir(scene.folder.path().join("cache"))
        .unwrap()
        .count();
    assert_eq!(names, 1, "the other's folder is gone");
    assert_eq!(cache.list().unwrap(), [first.digest()]);
    cache.remove(&first.digest()).unwrap();
    assert!(cache.find(&first.digest()).unwrap().is_none());
    assert_eq!(
        fs::read_dir(scene.folder.path().join("cache"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn what_is_not_in_the_tree_is_not_sealed() {
    let scene = Scene::new();
    let open = scene.build(&programs(&["sh"], &[]), "cache").unwrap();
    fs::write(open.root().join("etc/more"), "").unwrap();
    let refused = open.seal().unwrap_err();
    assert!(refused.to_string().contains("'etc/more'"), "{refused}");
}

#[test]
fn a_closure_goes_through_the_store() {
    let scene = Scene::new();
    let built = seal(scene.build(&python(small()), "cache").unwrap());
    let store = Store::open(&scene.folder.path().join("store"), Arc::new(RealIo)).unwrap();
    let mut batch = store.batch();
    let stored = built.put(&mut batch).unwrap();
    batch.commit().unwrap();
    assert_eq!(stored.tree, built.digest());
    let other = scene.cache("other");
    let open = materialise(&store, &stored.tree, Some(&stored.description), &other).unwrap();
    assert_eq!(*open.description(), built.description().unwrap());
    let again = seal(open);
    assert!(again.check().unwrap().is_right());
    assert_eq!(again.bytecode().unwrap(), built.bytecode().unwrap());
    let said = inside(
        &again.root(),
        &["python3", "-c", "import six; print(six.__version__)"],
    );
    assert_eq!(said, "1.17.0\n");

    // Without the description most of it is still known.
    let open = materialise(&store, &stored.tree, None, &scene.cache("third")).unwrap();
    assert_eq!(
        open.bytecode_command().unwrap()[0],
        format!(
            "/reproof/env/bin/python{}",
            open.description().python.as_deref().unwrap()
        )
    );
    let mut known = built.description().unwrap();
    known.python.clone_from(&open.description().python);
    assert!(diff(open.description(), &known).is_empty());
}

#[test]
fn a_damaged_closure_is_not_stored() {
    let scene = Scene::new();
    let closure = shell(&scene);
    write(&closure, "etc/hosts", b"127.0.0.1 elsewhere\n");
    let store = Store::open(&scene.folder.path().join("store"), Arc::new(RealIo)).unwrap();
    let refused = closure.put(&mut store.batch()).unwrap_err();
    assert!(
        refused.to_string().contains("'etc/hosts' has other bytes"),
        "{refused}"
    );
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_that_is_taken_for_a_closure() {
    let scene = Scene::new();
    let spec = programs(&["sh"], &[]);
    let folder = scene.folder.path().join("full");
    let attempt = |at: u64| {
        let fault = Fault {
            at,
            dead: true,
            kind: std::io::ErrorKind::StorageFull,
            writes_only: true,
        };
        let io = Arc::new(FaultIo::new(Arc::new(RealIo), Some(fault)));
        let cache = ClosureCache::new(&folder, io);
        scene
            .with(|machine| build(machine, &spec, &cache))
            .and_then(OpenClosure::seal)
    };
    let steps = [1, 2, 5, 40, 400, 1500, 1900, 2000];
    for at in steps {
        match attempt(at) {
            Ok(closure) => assert!(closure.check_full().unwrap().is_right(), "{at}"),
            Err(EnvironmentError::Io(error)) => {
                assert!(error.is_storage_full(), "{at}: {error}");
                assert_eq!(
                    ClosureCache::new(&folder, Arc::new(RealIo)).list().unwrap(),
                    []
                );
            }
            Err(error) => panic!("{at}: {error}"),
        }
    }
    assert!(attempt(1).is_err() && attempt(u64::MAX).is_ok());
}

#[test]
fn a_name_that_comes_is_seen_without_listing() {
    let scene = Scene::new();
    let closure = shell(&scene);
    sleep(Duration::from_millis(2200));
    assert!(closure.check().unwrap().is_right());
    assert_eq!(closure.check_quick().unwrap(), Quick::Unchanged);
    write(&closure, "usr/bin/more", b"");
    let added = vec!["usr/bin/more".to_owned()];
    assert_eq!(closure.check_quick().unwrap(), Quick::Changed(added));
    fs::remove_file(closure.root().join("usr/bin/more")).unwrap();
    let folder = vec!["usr/bin/".to_owned()];
    assert_eq!(closure.check_quick().unwrap(), Quick::Changed(folder));
    assert!(closure.check().unwrap().is_right(), "as it was");
}
