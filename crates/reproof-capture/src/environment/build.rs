//! From a specification to a closure.

use std::collections::BTreeSet;
use std::path::Path;

use reproof_record::Tree;
use reproof_store::fs::write_atomic;

use super::base;
use super::cache::{Building, ClosureCache, OpenClosure};
use super::describe::{ClosureDescription, PREFIX, Package, digest_of};
use super::error::EnvironmentError;
use super::interpreter;
use super::libraries;
use super::machine::{Machine, Stage, text};
use super::plan::{Laid, Plan};
use super::python::{self, PackageFiles};
use super::spec::{EnvironmentSpec, PythonSpec, SystemSpec};
use super::system;
use super::uv::Uv;

/// Builds the closure of a specification in a folder of the cache. It is in the cache once it is
/// [sealed](OpenClosure::seal).
pub fn build(
    machine: &Machine<'_>,
    spec: &EnvironmentSpec,
    cache: &ClosureCache,
) -> Result<OpenClosure, EnvironmentError> {
    let building = cache.begin()?;
    match spec {
        EnvironmentSpec::Python(spec) => build_python(machine, spec, cache, building),
        EnvironmentSpec::System(spec) => build_system(machine, spec, cache, building),
    }
}

fn build_python(
    machine: &Machine<'_>,
    spec: &PythonSpec,
    cache: &ClosureCache,
    building: Building,
) -> Result<OpenClosure, EnvironmentError> {
    let uv = Uv::find(machine)?;
    let interpreter = interpreter::find(machine, &uv, spec.python)?;
    if interpreter.platform != spec.platform {
        return Err(EnvironmentError::Platform {
            wanted: spec.platform.clone(),
            found: interpreter.platform,
        });
    }
    (machine.observe)(Stage::Install);
    let venv = building.folder.join("venv");
    install(
        machine,
        &uv,
        spec,
        &interpreter.executable,
        &building.folder,
    )?;
    (machine.observe)(Stage::Collect);
    let (mut plan, packages) = python::plan(machine, &interpreter, &venv)?;
    base::add(&mut plan, machine)?;
    let program = format!("{PREFIX}/bin/{}", interpreter.name());
    libraries::add(
        &mut plan,
        machine.io,
        &spec.platform,
        &BTreeSet::from([program]),
    )?;
    let version = Some(interpreter.version.to_string());
    let open = write(machine, &mut plan, cache, building, version, &packages)?;
    reproof_store::fs::remove_tree(cache.io().as_ref(), &venv)?;
    Ok(open)
}

/// Makes a virtual environment beside and installs the pins in it, and nothing else.
fn install(
    machine: &Machine<'_>,
    uv: &Uv,
    spec: &PythonSpec,
    interpreter: &Path,
    folder: &Path,
) -> Result<(), EnvironmentError> {
    let venv = folder.join("venv");
    let venv = text(&venv)?;
    let make = [
        "--quiet",
        "--relocatable",
        "--no-project",
        "--python",
        text(interpreter)?,
        venv,
    ];
    uv.run(machine, "venv", &make)?;
    if spec.requirements.pins().is_empty() {
        return Ok(());
    }
    let pins = folder.join("requirements.txt");
    write_atomic(machine.io, &pins, spec.requirements.to_string().as_bytes())?;
    let mut arguments = vec![
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "--python",
        venv,
        "--requirements",
        text(&pins)?,
    ];
    if !spec.allow_builds {
        arguments.extend(["--only-binary", ":all:"]);
    }
    uv.run(machine, "pip install", &arguments)?;
    Ok(())
}

fn build_system(
    machine: &Machine<'_>,
    spec: &SystemSpec,
    cache: &ClosureCache,
    building: Building,
) -> Result<OpenClosure, EnvironmentError> {
    let here = super::host_platform();
    if spec.platform != here {
        let (wanted, found) = (spec.platform.clone(), here);
        return Err(EnvironmentError::Platform { wanted, found });
    }
    (machine.observe)(Stage::Collect);
    let (mut plan, essential) = system::plan(machine, spec)?;
    base::add(&mut plan, machine)?;
    libraries::add(&mut plan, machine.io, &spec.platform, &essential)?;
    write(
        machine,
        &mut plan,
        cache,
        building,
        None,
        &PackageFiles::new(),
    )
}

fn write(
    machine: &Machine<'_>,
    plan: &mut Plan,
    cache: &ClosureCache,
    building: Building,
    python: Option<String>,
    packages: &PackageFiles,
) -> Result<OpenClosure, EnvironmentError> {
    plan.drop_dangling();
    (machine.observe)(Stage::Write);
    let laid = plan.write(cache.io().as_ref(), &building.folder.join("root"))?;
    let tree = Tree::new(laid.iter().map(|laid| laid.entry.clone()));
    let description = describe(plan, &tree, &laid, python, packages);
    OpenClosure::new(cache, building, tree, description)
}

fn describe(
    plan: &Plan,
    tree: &Tree,
    laid: &[Laid],
    python: Option<String>,
    packages: &PackageFiles,
) -> ClosureDescription {
    let packages = packages.iter().map(|(name, (version, files))| {
        let package = Package {
            version: version.clone(),
            content: digest_of(tree, |path| files.contains(path)),
        };
        (name.clone(), package)
    });
    ClosureDescription {
        python,
        packages: packages.collect(),
        bytes: laid.iter().map(|laid| laid.size).sum(),
        left_out: plan.left_out.clone(),
        notes: plan.notes.iter().cloned().collect(),
        ..ClosureDescription::of_tree(tree)
    }
}
