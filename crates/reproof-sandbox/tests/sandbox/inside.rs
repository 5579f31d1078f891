//! What a process sees.
use std::collections::BTreeMap;

use crate::common::{Test, mount, root, run, sandbox, says, script};

pub const TESTS: &[Test] = &[
    ("only_what_is_given_is_there", only_what_is_given_is_there),
    (
        "no_process_of_the_host_is_seen",
        no_process_of_the_host_is_seen,
    ),
    (
        "code_and_inputs_cannot_be_written",
        code_and_inputs_cannot_be_written,
    ),
    ("outputs_can_be_written", outputs_can_be_written),
    (
        "mounts_lie_beside_what_the_root_has",
        mounts_lie_beside_what_the_root_has,
    ),
    (
        "memory_files_and_home_can_be_written",
        memory_files_and_home_can_be_written,
    ),
    ("devices_work", devices_work),
    (
        "user_group_and_host_are_fixed",
        user_group_and_host_are_fixed,
    ),
    (
        "variables_and_folder_are_exact",
        variables_and_folder_are_exact,
    ),
    (
        "only_three_descriptors_are_open",
        only_three_descriptors_are_open,
    ),
    ("standard_input_is_empty", standard_input_is_empty),
    (
        "processors_are_as_many_as_asked_for",
        processors_are_as_many_as_asked_for,
    ),
    (
        "addresses_are_the_same_in_every_run",
        addresses_are_the_same_in_every_run,
    ),
    ("limits_are_fixed", limits_are_fixed),
    (
        "only_the_loopback_device_is_there",
        only_the_loopback_device_is_there,
    ),
    (
        "the_network_is_there_when_asked_for",
        the_network_is_there_when_asked_for,
    ),
    (
        "links_in_sources_are_followed",
        links_in_sources_are_followed,
    ),
    ("odd_names_are_mounted", odd_names_are_mounted),
];

fn only_what_is_given_is_there() {
    let list = says(&sandbox(&["ls", "/"]));
    let mut expected: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .chain(["dev", "proc", "sys", "tmp"].map(str::to_owned))
        .collect();
    expected.sort();
    let mut list: Vec<&str> = list.lines().collect();
    list.sort_unstable();
    assert_eq!(list, expected);
    assert_eq!(says(&sandbox(&["ls", "-A", "/tmp"])), "home\n");
    assert_eq!(
        says(&sandbox(&["ls", "-A", "/tmp/home", "/dev/shm"])),
        "/dev/shm:\n\n/tmp/home:\n"
    );
    let mounts = says(&sandbox(&["cat", "/proc/self/mountinfo"]));
    for line in mounts.lines() {
        let options = line.split(' ').nth(5).unwrap();
        let path = line.split(' ').nth(4).unwrap();
        assert!(
            options.contains("nosuid") || path.starts_with("/dev/"),
            "{line}"
        );
        let writable = path == "/tmp" || path == "/dev/shm" || path.starts_with("/dev/");
        assert!(writable || options.starts_with("ro"), "{line}");
    }
}

fn no_process_of_the_host_is_seen() {
    let processes = says(&script("for p in /proc/[0-9]*; do cat $p/comm; done"));
    assert_eq!(processes, "exe\nsh\n", "process 1 and the shell");
    let first = run(&script(
        "readlink /proc/1/exe /proc/1/root /proc/1/fd/0; cat /proc/1/environ /proc/1/maps",
    ));
    assert_eq!(first.out(), "", "process 1 is hidden");
}

fn code_and_inputs_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.py"), "print()").unwrap();
    let file = folder.path().join("train.py");
    let mut sandbox = script(
        "for f in /new /bin/new /etc/passwd /reproof/new /reproof/code/new /reproof/code/train.py \
         /reproof/in/t /sys/new /dev/new /proc/sys/kernel/hostname; do \
         (echo x >> $f) 2>/dev/null && echo wrote $f; done; \
         mkdir /reproof/code/sub 2>/dev/null && echo made; cat /reproof/in/t",
    );
    sandbox
        .mounts
        .push(mount(folder.path(), "/reproof/code", false));
    sandbox.mounts.push(mount(&file, "/reproof/in/t", false));
    assert_eq!(says(&sandbox), "print()");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "print()");
}

fn outputs_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut sandbox = script("echo model > /reproof/out/model && mkdir /reproof/out/sub");
    sandbox
        .mounts
        .push(mount(folder.path(), "/reproof/out", true));
    assert_eq!(says(&sandbox), "");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("model")).unwrap(),
        "model\n"
    );
    assert!(folder.path().join("sub").is_dir());
}

fn mounts_lie_beside_what_the_root_has() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "given").unwrap();
    let mut sandbox =
        script("cat /reproof/env/marker /short/marker /reproof/in/deep/er/a; ls /reproof");
    sandbox
        .mounts
        .push(mount(folder.path(), "/reproof/in/deep/er", false));
    assert_eq!(says(&sandbox), "envenvgivenenv\nin\n");
    assert_eq!(
        std::fs::read_dir(root().join("reproof")).unwrap().count(),
        1,
        "the source is as it was"
    );
}

fn memory_files_and_home_can_be_written() {
    let text = "for d in /tmp /tmp/home /dev/shm; do echo $d > $d/file && cat $d/file; done";
    assert_eq!(says(&script(text)), "/tmp\n/tmp/home\n/dev/shm\n");
    assert_eq!(says(&script("stat -c %a /tmp /dev/shm")), "1777\n1777\n");
}

fn devices_work() {
    let text = "echo x > /dev/null; head -c 3 /dev/zero | tr '\\0' z; head -c 8 /dev/urandom | wc -c \
                2>/dev/null; (echo x > /dev/full) 2>/dev/null || echo full; ls /dev; \
                echo out > /dev/stdout; cat < /dev/stdin";
    let said = says(&script(&text.replace("| wc -c 2>/dev/null", "> /dev/null")));
    let list = "fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\n";
    assert_eq!(said, format!("zzzfull\n{list}out\n"));
}

fn user_group_and_host_are_fixed() {
    assert_eq!(
        says(&script("id -u; id -g; id -un; uname -n")),
        "1000\n1000\nstep\nreproof\n"
    );
    let status = says(&script("cat /proc/self/status"));
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            status.contains(&format!("{line}:\t0000000000000000\n")),
            "{status}"
        );
    }
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    assert!(status.contains("SigBlk:\t0000000000000000\n"), "{status}");
    assert_eq!(says(&script("umask")), "0022\n");
    // Field 19 is the priority: process 1 keeps its own, whatever that is, to itself.
    let fields = says(&script("sleep 0.1; cat /proc/self/stat"));
    let fields: Vec<&str> = fields.split(' ').collect();
    let own = rustix::process::getpriority_process(None).unwrap();
    assert_eq!(fields[18], own.to_string());
}

fn variables_and_folder_are_exact() {
    let mut sandbox = sandbox(&["env"]);
    let given = [("PATH", "/bin"), ("A", "1 2"), ("EMPTY", ""), ("Ü", "ä\n=")];
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    sandbox.variables = given.map(text).into_iter().collect::<BTreeMap<_, _>>();
    let said = says(&sandbox);
    assert_eq!(said, "A=1 2\nEMPTY=\nPATH=/bin\nÜ=ä\n=\n");
    sandbox.argv = vec!["readlink".to_owned(), "/proc/self/cwd".to_owned()];
    sandbox.folder = "/reproof/env".to_owned();
    assert_eq!(says(&sandbox), "/reproof/env\n");
}

fn only_three_descriptors_are_open() {
    // Left open for every child of this test.
    let file = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    // The fourth is the folder that `ls` reads.
    assert_eq!(says(&sandbox(&["ls", "/proc/self/fd"])), "0\n1\n2\n3\n");
}

fn standard_input_is_empty() {
    assert_eq!(says(&sandbox(&["cat"])), "");
}

fn processors_are_as_many_as_asked_for() {
    let host: u32 = std::thread::available_parallelism().unwrap().get() as u32;
    for threads in [1, 2, 3, 64] {
        let mut sandbox = script(
            "cat /sys/devices/system/cpu/online /sys/devices/system/cpu/possible \
             /sys/devices/system/cpu/present; cat /proc/cpuinfo /proc/stat; nproc --all",
        );
        sandbox.threads = threads;
        let said = says(&sandbox);
        let count =
            |start: &str| said.lines().filter(|line| line.starts_with(start)).count() as u32;
        assert_eq!(count("processor\t"), threads);
        assert_eq!(
            count("cpu") - count("cpu family") - count("cpu cores"),
            threads + 1
        );
        let range = if threads == 1 {
            "0".to_owned()
        } else {
            format!("0-{}", threads - 1)
        };
        assert_eq!(
            said.lines().filter(|line| **line == range).count(),
            3,
            "{said}"
        );
        assert_eq!(
            said.lines().last().unwrap(),
            threads.to_string(),
            "nproc --all"
        );
        sandbox.argv = ["probe", "--probe", "processors"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            says(&sandbox),
            format!("{}\n", threads.min(host)),
            "affinity"
        );
    }
}

fn addresses_are_the_same_in_every_run() {
    let probe = sandbox(&["probe", "--probe", "address"]);
    let first = says(&probe);
    for _ in 0..5 {
        assert_eq!(says(&probe), first);
    }
}

fn limits_are_fixed() {
    let said = says(&script("ulimit -n; ulimit -Hn; ulimit -c; ulimit -s"));
    assert_eq!(said, "1024\n1024\n0\n8192\n");
}

fn only_the_loopback_device_is_there() {
    let devices = says(&script("cat /proc/net/dev"));
    let names: Vec<&str> = devices
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        names.iter().map(|name| name.trim()).collect::<Vec<_>>(),
        ["lo"]
    );
    let said = says(&sandbox(&["probe", "--probe", "connect"]));
    let unreachable = nix::libc::ENETUNREACH;
    assert_eq!(
        said,
        format!("loopback true\nworld Err(Some({unreachable}))\n")
    );
}

fn the_network_is_there_when_asked_for() {
    let mut sandbox = sandbox(&["readlink", "/proc/self/ns/net"]);
    let host = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(says(&sandbox).trim(), host.to_str().unwrap());
    sandbox.network = true;
    assert_eq!(says(&sandbox).trim(), host.to_str().unwrap());
}

fn links_in_sources_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "text").unwrap();
    std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
    let mut sandbox = script("cat /in");
    sandbox
        .mounts
        .push(mount(&folder.path().join("link"), "/in", false));
    assert_eq!(says(&sandbox), "text");
}

fn odd_names_are_mounted() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a b\\040\n");
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("file"), "odd").unwrap();
    let to = "/in/a b\\040\n\u{fc}";
    let mut sandbox = sandbox(&["cat", &format!("{to}/file")]);
    sandbox.mounts.push(mount(&odd, to, false));
    assert_eq!(says(&sandbox), "odd");
    sandbox.argv = vec!["mkdir".to_owned(), format!("{to}/new")];
    assert!(run(&sandbox).err().contains("Read-only"));
}
