//! The root that a process sees: a `tmpfs` with what was given bound into it, read-only.
//!
//! Every source is opened before anything is mounted, so nothing that is mounted can hide one.
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, openat, readlinkat, statat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, move_mount, open_tree, unmount,
};

use crate::error::{SetupFailure, Step};
use crate::mounts;
use crate::plan::{Item, Kind, Sources, plan};
use crate::processors;
use crate::spec::{HOME, Sandbox};

/// The devices of the host that every process may use.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Where the new root is put together: the first of these that is a folder. The last always is.
const STAGES: [&str; 3] = ["/tmp", "/run", "/proc"];

/// Makes the root of `sandbox` the root of this process, whose mount namespace must be its own.
pub(crate) fn enter(sandbox: &Sandbox) -> Result<(), SetupFailure> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", all).step("make mounts private")?;
    let items = plan(&sandbox.mounts, &Host)?;
    let opened = items.iter().map(open_item).collect::<Result<Vec<_>, _>>()?;
    let devices = DEVICES.map(|name| (name, tree(Path::new(&format!("/dev/{name}")))));
    let stage = stage();
    tmpfs(stage, "mode=755")?;
    rustix::process::chdir(stage).at("enter", stage)?;
    for (item, opened) in items.iter().zip(opened) {
        make(item, opened)?;
    }
    for (name, device) in devices {
        let to = format!("/dev/{name}");
        parents(&to)?;
        attach(&device?, &to, false)?;
    }
    furnish(sandbox)?;
    turn()?;
    mounts::protect(&sandbox.mounts)
}

/// The host's file system, as the plan asks it.
struct Host;

impl Sources for Host {
    type Error = SetupFailure;

    fn kind(&self, path: &Path) -> Result<Kind, SetupFailure> {
        let facts = statat(CWD, path, rustix::fs::AtFlags::empty());
        let facts = facts.at("find", &path.to_string_lossy())?;
        Ok(kind(FileType::from_raw_mode(facts.st_mode)))
    }

    fn list(&self, path: &Path) -> Result<Vec<(String, Kind)>, SetupFailure> {
        let shown = path.to_string_lossy();
        let mut entries = Vec::new();
        for (name, file_type) in crate::proc::list(path).at("list", &shown)? {
            let name = name.into_string().map_err(|_| Errno::ILSEQ);
            let name = name.at("read a name (not UTF-8) in", &shown)?;
            let file_type = match file_type {
                FileType::Unknown => Self::file_type(&path.join(&name))?,
                known => known,
            };
            entries.push((name, kind(file_type)));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn link(&self, path: &Path) -> Result<String, SetupFailure> {
        let shown = path.to_string_lossy();
        let text = readlinkat(CWD, path, Vec::new()).at("read the link", &shown)?;
        text.into_string()
            .map_err(|_| Errno::ILSEQ)
            .at("read the link (not UTF-8)", &shown)
    }

    fn blocked(&self, source: &Path, inside: &str) -> SetupFailure {
        SetupFailure {
            step: format!("make mount points in '{inside}': not a folder there, but"),
            path: Some(source.to_string_lossy().into_owned()),
            errno: 0,
        }
    }
}

impl Host {
    /// Some file systems do not say in a listing what an entry is.
    fn file_type(path: &Path) -> Result<FileType, SetupFailure> {
        let facts = statat(CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        let facts = facts.at("find", &path.to_string_lossy())?;
        Ok(FileType::from_raw_mode(facts.st_mode))
    }
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => Kind::File,
    }
}

fn open_item(item: &Item) -> Result<Option<OwnedFd>, SetupFailure> {
    match item {
        Item::Bind { from, .. } => tree(from).map(Some),
        Item::Folder(_) | Item::Link(..) => Ok(None),
    }
}

/// A copy of the mounts at `path` and below that is not yet anywhere.
fn tree(path: &Path) -> Result<OwnedFd, SetupFailure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags).at("open for mounting", &path.to_string_lossy())
}

fn stage() -> &'static str {
    let folder = |path: &&&str| {
        let facts = statat(CWD, **path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        facts.is_ok_and(|facts| FileType::from_raw_mode(facts.st_mode) == FileType::Directory)
    };
    STAGES.iter().find(folder).copied().unwrap_or("/proc")
}

fn tmpfs(path: &str, options: &str) -> Result<(), SetupFailure> {
    let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL);
    let options = options.step("make the options of a tmpfs")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", path, "tmpfs", flags, options.as_c_str()).at("mount a tmpfs at", path)
}

/// A path inside, seen from the stage, which is the working folder while the root is made.
fn staged(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        rest => rest,
    }
}

fn folder(path: &str) -> Result<(), SetupFailure> {
    match mkdirat(CWD, staged(path), Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => Ok(()),
        made => made.at("make the folder", path),
    }
}

fn parents(path: &str) -> Result<(), SetupFailure> {
    let slashes = path
        .match_indices('/')
        .map(|(at, _)| at)
        .filter(|&at| at > 0);
    slashes.filter_map(|at| path.get(..at)).try_for_each(folder)
}

fn file(path: &str, text: &str) -> Result<(), SetupFailure> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let opened = openat(CWD, staged(path), flags, Mode::from_raw_mode(0o644));
    let opened = opened.at("make the file", path)?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = rustix::io::write(&opened, rest).at("write the file", path)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

fn link(path: &str, text: &str) -> Result<(), SetupFailure> {
    symlinkat(text, CWD, staged(path)).at("make the link", path)
}

fn make(item: &Item, opened: Option<OwnedFd>) -> Result<(), SetupFailure> {
    match (item, opened) {
        (Item::Folder(path), _) => folder(path),
        (Item::Link(path, text), _) => link(path, text),
        (Item::Bind { to, folder, .. }, Some(opened)) => attach(&opened, to, *folder),
        (Item::Bind { .. }, None) => Ok(()),
    }
}

/// Mounts an opened tree on a new mount point.
fn attach(opened: &OwnedFd, to: &str, is_folder: bool) -> Result<(), SetupFailure> {
    if is_folder {
        folder(to)?;
    } else {
        file(to, "")?;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(opened, "", CWD, staged(to), flags).at("mount", to)
}

/// Everything that the caller does not give: `/proc`, `/dev`, `/tmp`, what says how many processors there are.
fn furnish(sandbox: &Sandbox) -> Result<(), SetupFailure> {
    for (path, text) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        link(path, text)?;
    }
    let mut options = "mode=1777".to_owned();
    if let Some(memory) = sandbox.limits.memory {
        // Files there count as memory. Page by page: the kernel rounds up.
        let _ = write!(options, ",size={}", memory.max(1));
    }
    for path in ["/dev/shm", "/tmp"] {
        folder(path)?;
        tmpfs(staged(path), &options)?;
    }
    folder(HOME)?;
    process_files(sandbox.threads)?;
    system_files(sandbox.threads)
}

fn process_files(threads: u32) -> Result<(), SetupFailure> {
    folder("/proc")?;
    // Read-only: where the caller is root, the kernel's settings would be the process's to change.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount("proc", staged("/proc"), "proc", flags, None).step("mount /proc")?;
    for (name, text) in [
        ("cpuinfo", processors::cpuinfo(threads)),
        ("stat", processors::stat(threads)),
    ] {
        // The file lives on in its mount.
        let made = format!("/.{name}");
        file(&made, &text)?;
        let opened = tree(&PathBuf::from(staged(&made)))?;
        let to = format!("/proc/{name}");
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&opened, "", CWD, staged(&to), flags).at("mount", &to)?;
        rustix::fs::unlink(staged(&made)).at("remove", &made)?;
    }
    Ok(())
}

fn system_files(threads: u32) -> Result<(), SetupFailure> {
    let text = processors::online(threads);
    for name in ["online", "possible", "present"] {
        let path = format!("/sys/devices/system/cpu/{name}");
        parents(&path)?;
        file(&path, &text)?;
    }
    (0..threads).try_for_each(|number| folder(&format!("/sys/devices/system/cpu/cpu{number}")))
}

/// Makes the stage, which is the working folder, the root, and lets go of the old root.
fn turn() -> Result<(), SetupFailure> {
    rustix::process::pivot_root(".", ".").step("change the root")?;
    unmount(".", UnmountFlags::DETACH).step("let go of the old root")?;
    rustix::process::chdir("/").step("enter the new root")
}
