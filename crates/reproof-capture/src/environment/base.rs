//! What every closure holds besides its programs: a small `/etc`, a locale, time zones, a shell.

use std::path::Path;

use super::error::EnvironmentError;
use super::machine::Machine;
use super::plan::{Found, Plan};

/// Everyone inside is this user.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                      reproof:x:1000:1000:reproof:/tmp/home:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n";
const GROUP: &str = "root:x:0:\nreproof:x:1000:\nnogroup:x:65534:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
                        networks: files\nprotocols: files\nservices: files\n";
const HOSTS: &str = "127.0.0.1 localhost reproof\n::1 localhost reproof\n";
/// Programs that `shell=True` and `#!/usr/bin/env` need.
const PROGRAMS: [&str; 3] = ["sh", "cat", "env"];
const LOCALE: &str = "/usr/lib/locale/C.utf8";
const ZONES: &str = "/usr/share/zoneinfo";

/// Adds it to the plan.
pub(crate) fn add(plan: &mut Plan, machine: &Machine<'_>) -> Result<(), EnvironmentError> {
    plan.bytes("etc/passwd", PASSWD);
    plan.bytes("etc/group", GROUP);
    plan.bytes("etc/nsswitch.conf", NSSWITCH);
    plan.bytes("etc/hosts", HOSTS);
    plan.bytes("etc/localtime", utc());
    folder(plan, machine, LOCALE, "the C.UTF-8 locale", &|_| None)?;
    let zones = |found: &Found<'_>| match found.path {
        "posix" | "right" => Some("second copies of the time zones"),
        "localtime" => Some("the machine's own time zone"),
        _ => None,
    };
    folder(plan, machine, ZONES, "the time zones (tzdata)", &zones)?;
    for name in PROGRAMS {
        let to = format!("usr/bin/{name}");
        if plan.holds(&to) {
            continue;
        }
        // The system's own, whatever a person put into the search path before it.
        let own = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
        match own.iter().find(|path| machine.is_program(path)) {
            Some(path) => plan.file(machine.io, path, &to)?,
            None => {
                plan.notes
                    .insert(format!("/bin/{name} is not installed here"));
            }
        }
    }
    if !plan.holds("bin") {
        plan.link("bin", "usr/bin");
    }
    Ok(())
}

fn folder(
    plan: &mut Plan,
    machine: &Machine<'_>,
    from: &str,
    what: &str,
    rule: super::plan::Rule<'_>,
) -> Result<(), EnvironmentError> {
    let to = from.trim_start_matches('/');
    match plan.folder(machine.io, Path::new(from), to, rule) {
        Err(EnvironmentError::Io(error)) if error.is_not_found() => {
            plan.notes
                .insert(format!("{what} is not installed here: {from}"));
            Ok(())
        }
        added => added,
    }
}

/// The time zone UTC as RFC 8536 writes it, version 2: no transition, one type, in both parts.
fn utc() -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..2 {
        bytes.extend(b"TZif2");
        bytes.extend([0; 15]);
        // Counts of UT and standard indicators, leap seconds, transitions, types, characters.
        for count in [0_u32, 0, 0, 0, 1, 4] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend([0; 6]);
        bytes.extend(b"UTC\0");
    }
    bytes.extend(b"\nUTC0\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_zone_file_is_that_of_the_database() {
        assert_eq!(utc().len(), 114);
        #[allow(clippy::disallowed_methods)]
        if let Ok(theirs) = std::fs::read("/usr/share/zoneinfo/Etc/UTC") {
            assert_eq!(utc(), theirs);
        }
    }
}
