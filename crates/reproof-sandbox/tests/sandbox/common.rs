//! A root with a shell and a few programs of the host, and sandboxes in it.
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use reproof_sandbox::{End, Finished, HOME, Limits, Mount, Sandbox, SandboxError, Stream};

/// A test with its name.
pub type Test = (&'static str, fn());

const PROGRAMS: [&str; 15] = [
    "sh", "cat", "ls", "sleep", "true", "id", "uname", "head", "tr", "readlink", "stat", "mkdir",
    "nproc", "seq", "env",
];

/// The environment's root: made once, shared by all tests, which cannot write to it.
pub fn root() -> &'static Path {
    ROOT.get_or_init(|| std::env::var_os(GIVEN).map_or_else(make_root, PathBuf::from))
}

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// A root that another process of these tests has made.
pub const GIVEN: &str = "REPROOF_SANDBOX_ROOT";

/// Removes the root, if it was made.
pub fn clean() {
    if let Some(root) = ROOT.get() {
        std::fs::remove_dir_all(root).unwrap();
    }
}

fn make_root() -> PathBuf {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    for folder in ["bin", "etc", "reproof/env"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let own = std::fs::canonicalize("/proc/self/exe").unwrap();
    let mut libraries = BTreeSet::new();
    for (name, path) in PROGRAMS
        .iter()
        .map(|name| (*name, which(name)))
        .chain([("probe", own)])
    {
        std::fs::copy(&path, bin.join(name)).unwrap();
        libraries.extend(needed(&path));
    }
    for library in libraries {
        let to = root.path().join(library.strip_prefix("/").unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&library, &to).unwrap();
    }
    std::fs::write(
        root.path().join("etc/passwd"),
        "step:x:1000:1000::/tmp/home:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(root.path().join("reproof/env/marker"), "env").unwrap();
    std::os::unix::fs::symlink("reproof/env", root.path().join("short")).unwrap();
    root.keep()
}

fn which(name: &str) -> PathBuf {
    let folders = ["/bin", "/usr/bin"].into_iter();
    let mut paths = folders.map(|folder| Path::new(folder).join(name));
    paths
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {name} on this machine"))
}

/// The libraries and the loader that `ldd` names, at the paths it names.
fn needed(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

/// Lets everyone read a folder and what is in it.
pub fn open_to_all(folder: &Path) {
    let all = || std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, all()).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), all()).unwrap();
    }
}

/// A mount.
pub fn mount(from: &Path, to: &str, writable: bool) -> Mount {
    Mount {
        from: from.to_owned(),
        to: to.to_owned(),
        writable,
    }
}

/// This program in the test's root, with nothing else.
pub fn sandbox(argv: &[&str]) -> Sandbox {
    let variables = [("PATH", "/bin"), ("HOME", HOME)];
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Sandbox {
        mounts: vec![mount(root(), "/", false)],
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        variables: variables.into_iter().map(text).collect::<BTreeMap<_, _>>(),
        folder: "/".to_owned(),
        threads: 1,
        network: false,
        limits: Limits::default(),
        watched: Vec::new(),
    }
}

/// A shell script in the test's root.
pub fn script(text: &str) -> Sandbox {
    sandbox(&["sh", "-c", text])
}

/// What a process wrote, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub finished: Finished,
}

impl Ran {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

pub fn try_run(sandbox: &Sandbox) -> Result<Ran, SandboxError> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = |stream, bytes: &[u8]| match stream {
        Stream::Out => out.extend_from_slice(bytes),
        Stream::Err => err.extend_from_slice(bytes),
    };
    let finished = reproof_sandbox::run(sandbox, &mut output, &|| false)?;
    Ok(Ran { out, err, finished })
}

pub fn run(sandbox: &Sandbox) -> Ran {
    try_run(sandbox).unwrap_or_else(|error| panic!("{error}"))
}

/// The output of a script that must succeed and complain of nothing.
#[track_caller]
pub fn says(sandbox: &Sandbox) -> String {
    let ran = run(sandbox);
    assert_eq!(
        (ran.finished.end, ran.err().as_str()),
        (End::Exited(0), ""),
        "{}",
        ran.out()
    );
    ran.out()
}

/// How many processes of the whole machine have this text among their arguments.
pub fn processes_with(text: &str) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc").unwrap() {
        let arguments = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        let mut words = arguments.split(|&byte| byte == 0);
        count += usize::from(words.any(|word| word == text.as_bytes()));
    }
    count
}

/// Waits until there are none any more; the kernel takes a moment to end them.
pub fn assert_gone(text: &str) {
    for _ in 0..200 {
        if processes_with(text) == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("processes with the argument {text} are left");
}
