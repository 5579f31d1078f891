//! What a person asks for, and what they are told where it cannot be had.

use reproof_capture::environment::{
    EnvironmentError, EnvironmentSpec, LockSource, Machine, PythonSpec, Requirements, export, lock,
};

use crate::scene::{Scene, python, small, uv, write};

fn refused(scene: &Scene, spec: &EnvironmentSpec) -> EnvironmentError {
    let error = scene.build(spec, "cache").unwrap_err();
    let left = std::fs::read_dir(scene.folder.path().join("cache")).unwrap();
    assert_eq!(left.count(), 0, "a failed build leaves nothing");
    error
}

fn pins(text: &str) -> Requirements {
    Requirements::parse(text).unwrap().requirements
}

#[test]
fn another_file_than_the_pinned_one() {
    let text = format!("six==1.17.0 --hash=sha256:{}", "0".repeat(64));
    let error = refused(&Scene::new(), &python(pins(&text)));
    assert!(
        matches!(error, EnvironmentError::HashMismatch(_)),
        "{error}"
    );
}

#[test]
fn a_package_without_a_wheel() {
    let hash = small().pins()[0].hashes.iter().next().unwrap().clone();
    let error = refused(
        &Scene::new(),
        &python(pins(&format!("docopt==0.6.2 --hash={hash}"))),
    );
    assert!(matches!(error, EnvironmentError::NoWheel(_)), "{error}");
    assert!(error.to_string().contains("docopt"), "{error}");
}

#[test]
fn no_network() {
    let mut scene = Scene::new();
    let empty = scene.folder.path().join("uv-cache").display().to_string();
    scene.runner.0 = vec![("UV_OFFLINE", "1".to_owned()), ("UV_CACHE_DIR", empty)];
    let error = refused(&scene, &python(small()));
    assert!(matches!(error, EnvironmentError::Network(_)), "{error}");
}

#[test]
fn a_python_that_is_not_there() {
    let EnvironmentSpec::Python(spec) = python(small()) else {
        unreachable!()
    };
    let spec = PythonSpec {
        python: Some("3.99".parse().unwrap()),
        ..spec
    };
    let error = refused(&Scene::new(), &EnvironmentSpec::Python(spec));
    let EnvironmentError::NoPython { wanted, found } = error else {
        panic!("{error}")
    };
    assert_eq!(wanted, "3.99");
    assert!(
        found.iter().all(|version| version.starts_with("3.")) && !found.is_empty(),
        "{found:?}"
    );
}

#[test]
fn another_platform() {
    let EnvironmentSpec::Python(spec) = python(small()) else {
        unreachable!()
    };
    let spec = PythonSpec {
        platform: "riscv64-linux-gnu".to_owned(),
        ..spec
    };
    let error = refused(&Scene::new(), &EnvironmentSpec::Python(spec));
    assert!(
        matches!(error, EnvironmentError::Platform { .. }),
        "{error}"
    );
}

#[test]
fn no_uv() {
    let mut scene = Scene::new();
    scene.path.clear();
    let build = |machine: &Machine<'_>| {
        let machine = Machine {
            uv: &[],
            ..*machine
        };
        lock(
            &machine,
            &LockSource::Requirements("x".as_ref()),
            None,
            false,
        )
    };
    assert!(matches!(scene.with(build), Err(EnvironmentError::NoUv)));
}

#[test]
fn a_project_is_locked_and_exported() {
    let scene = Scene::new();
    let file = write(
        &scene,
        "project/pyproject.toml",
        "[project]\nname = \"mine\"\nversion = \"1\"\nrequires-python = \">=3.9\"\n\
         dependencies = [\"six==1.17.0\"]\n[project.optional-dependencies]\nweb = [\"idna==3.10\"]\n\
         [dependency-groups]\ndev = [\"pygments==2.19.2\"]\n",
    );
    let source = LockSource::Pyproject {
        file: &file,
        extras: &["web"],
    };
    let parsed = scene
        .with(|machine| lock(machine, &source, None, false))
        .unwrap();
    let names = |pins: &Requirements| -> Vec<String> {
        pins.pins().iter().map(|pin| pin.name.clone()).collect()
    };
    assert_eq!(names(&parsed.requirements), ["idna", "six"]);

    let folder = file.parent().unwrap();
    let unlocked = scene.with(|machine| export(machine, folder, &[], &[]));
    assert!(
        matches!(unlocked, Err(EnvironmentError::Uv { .. })),
        "{unlocked:?}"
    );
    let made = std::process::Command::new(uv())
        .args(["lock", "--quiet"])
        .current_dir(folder)
        .status();
    assert!(made.unwrap().success());
    let plain = scene
        .with(|machine| export(machine, folder, &[], &[]))
        .unwrap();
    assert_eq!(names(&plain.requirements), ["six"]);
    let all = scene
        .with(|machine| export(machine, folder, &["web"], &["dev"]))
        .unwrap();
    assert_eq!(names(&all.requirements), ["idna", "pygments", "six"]);
    assert_eq!(
        all.requirements.pins()[2].hashes,
        parsed.requirements.pins()[1].hashes
    );
}
