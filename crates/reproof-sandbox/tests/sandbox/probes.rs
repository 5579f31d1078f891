//! What this binary does as a program inside: tries things, and says how they went.
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::CloneFlags;

/// Runs the probe that the arguments name, if they name one.
pub fn answer() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != "--probe" {
        return None;
    }
    let (name, argument) = (arguments.next()?, arguments.next().unwrap_or_default());
    match name.as_str() {
        "calls" => calls(),
        "connect" => connect(),
        "hold" => hold(argument.parse().ok()?),
        "spin" => spin(),
        "multiply" => multiply(argument.parse().ok()?),
        "address" => address(),
        "processors" => processors(),
        "caller" => caller(&argument),
        "threads" => threads(),
        "ask" => ask(),
        "watched" => watched(),
        _ => return Some(ExitCode::FAILURE),
    }
    Some(ExitCode::SUCCESS)
}

fn show<T>(name: &str, result: &Result<T, Errno>) {
    match result {
        Ok(_) => println!("{name} ok"),
        Err(errno) => println!("{name} {errno:?}"),
    }
}

fn calls() {
    for (name, flag) in [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mounts", CloneFlags::CLONE_NEWNS),
        ("network", CloneFlags::CLONE_NEWNET),
    ] {
        show(name, &nix::sched::unshare(flag));
    }
    let code = |error: rustix::io::Errno| Errno::from_raw(error.raw_os_error());
    show(
        "hostname",
        &rustix::system::sethostname(b"other").map_err(code),
    );
    let none = rustix::mount::MountFlags::empty();
    show(
        "mount",
        &rustix::mount::mount("x", "/tmp", "tmpfs", none, None).map_err(code),
    );
    let detach = rustix::mount::UnmountFlags::DETACH;
    show(
        "unmount",
        &rustix::mount::unmount("/tmp", detach).map_err(code),
    );
    show("chroot", &rustix::process::chroot("/tmp").map_err(code));
    show(
        "ptrace",
        &nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(1)),
    );
    let own = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    );
    let taken = own.and_then(|own| {
        let flags = rustix::process::PidfdGetfdFlags::empty();
        rustix::process::pidfd_getfd(own.as_fd(), 1, flags)
    });
    show("pidfd_getfd", &taken.map_err(code));
    show(
        "kill 1",
        &nix::sys::signal::kill(nix::unistd::Pid::from_raw(1), nix::sys::signal::SIGKILL),
    );
}

/// Talks to itself over the loopback device, and tries to reach the world.
fn connect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let loopback = std::net::TcpStream::connect(listener.local_addr().unwrap());
    println!("loopback {}", loopback.is_ok());
    let world: std::net::SocketAddr = "192.0.2.1:80".parse().unwrap();
    let world = std::net::TcpStream::connect_timeout(&world, Duration::from_secs(2));
    println!(
        "world {:?}",
        world.map(|_| ()).map_err(|error| error.raw_os_error())
    );
}

/// Fills memory and keeps it.
fn hold(megabytes: usize) {
    let mut pieces = Vec::new();
    for _ in 0..megabytes {
        pieces.push(vec![1_u8; 1 << 20]);
    }
    println!("holding {}", pieces.len());
    std::thread::sleep(Duration::from_mins(1));
    println!("{}", pieces.len());
}

fn spin() {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(3));
    }
}

/// Starts as many processes as it can up to a number, and says how many it could.
fn multiply(most: usize) {
    let start = |_: &usize| std::process::Command::new("/bin/sleep").arg("60").spawn();
    let children: Vec<_> = (0..most).map_while(|number| start(&number).ok()).collect();
    println!("started {}", children.len());
    std::thread::sleep(Duration::from_mins(1));
}

/// The address of something on the stack: the same in every run without random addresses.
fn address() {
    let thing = 0_u8;
    println!("{:p} {:p}", &raw const thing, Box::new(0_u64));
}

fn processors() {
    println!(
        "{}",
        std::thread::available_parallelism().map_or(0, Into::into)
    );
}

/// Runs a sandbox, as a caller that is about to be killed.
fn caller(mark: &str) {
    let sandbox = crate::common::script(&format!("sleep {mark} & (sleep {mark} &) ; sleep {mark}"));
    let _ = reproof_sandbox::run(&sandbox, &mut |_, _| {}, &|| false);
}

/// As many threads as the machine has memory for, up to a few.
fn threads() {
    let start = || std::thread::spawn(|| std::thread::sleep(Duration::from_millis(10)));
    let threads: Vec<_> = (0..8).map(|_| start()).collect();
    let ended = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .count();
    println!("{ended}");
}

/// Asks for paths in all ways: by descriptor, from threads, with odd names.
fn ask() {
    use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, StatxFlags};
    let folder = rustix::fs::open("/code/there", OFlags::DIRECTORY, Mode::empty()).unwrap();
    let open = |path: &str| rustix::fs::openat(&folder, path, OFlags::RDONLY, Mode::empty());
    assert!(open("by-descriptor").is_err());
    assert!(open("../above").is_err());
    assert!(rustix::fs::statat(&folder, "by-stat", AtFlags::empty()).is_err());
    assert!(rustix::fs::statx(&folder, "by-statx", AtFlags::empty(), StatxFlags::ALL).is_err());
    assert!(rustix::fs::accessat(&folder, "by-access", Access::EXISTS, AtFlags::empty()).is_err());
    assert!(rustix::fs::readlinkat(&folder, "by-readlink", Vec::new()).is_err());
    assert!(rustix::process::chdir("/code/by-chdir").is_err());
    let long = format!("/code/{}", "long/".repeat(200));
    assert!(rustix::fs::statat(CWD, &long, AtFlags::empty()).is_err());
    assert!(rustix::fs::statat(CWD, &b"/code/\xff"[..], AtFlags::empty()).is_err());
    let threads: Vec<_> = (0..4)
        .map(|number| {
            std::thread::spawn(move || {
                for _ in 0..200 {
                    assert!(std::fs::metadata(format!("/code/thread-{number}")).is_err());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(std::process::Command::new("/code/by-exec").spawn().is_err());
    let made = OFlags::CREATE | OFlags::RDWR;
    let mode = Mode::from_raw_mode(0o644);
    assert!(rustix::fs::openat(CWD, "/code/made", made, mode).is_err());
    println!("asked");
}

/// Starts a process that is to be watched, and says what came of that.
fn watched() {
    let mut sandbox = crate::common::script("cat /code/none 2>/dev/null; echo ran");
    sandbox.watched = vec!["/code".to_owned()];
    let mut out = Vec::new();
    let mut output = |_, bytes: &[u8]| out.extend_from_slice(bytes);
    let finished = reproof_sandbox::run_unconfined(&sandbox, &mut output, &|| false).unwrap();
    println!("{}{:?}", String::from_utf8(out).unwrap(), finished.traced);
}
