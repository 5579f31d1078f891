//! Takes from the mounts of the new root what they must not have: writing, devices, set-user-ID.
//!
//! The mounts below a source come along with it, so the kernel's list says which there are.
use rustix::mount::{MountFlags, mount_remount};

use crate::error::{SetupFailure, Step};
use crate::spec::{Mount, is_beneath};

/// Mounted by ourselves with the right flags, or a device.
const DONE: [&str; 4] = ["/proc", "/tmp", "/dev/shm", "/dev"];

struct Mounted {
    path: Vec<u8>,
    options: String,
}

/// Protects every mount that this process sees.
pub(crate) fn protect(given: &[Mount]) -> Result<(), SetupFailure> {
    let list = crate::proc::read("/proc/self/mountinfo").step("list the mounts")?;
    for mounted in String::from_utf8_lossy(&list).lines().filter_map(parse) {
        let path = String::from_utf8_lossy(&mounted.path);
        if let Some(flags) = flags(&path, &mounted.options, given) {
            let changed = mount_remount(mounted.path.as_slice(), flags, "");
            changed.at("protect the mount", &path)?;
        }
    }
    Ok(())
}

/// The path and options of a line of `mountinfo`.
fn parse(line: &str) -> Option<Mounted> {
    let mut fields = line.split(' ').skip(4);
    Some(Mounted {
        path: unescape(fields.next()?),
        options: fields.next()?.to_owned(),
    })
}

/// Spaces, tabs, newlines and backslashes are written `\040` and so on.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// The flags that the mount at `path` must have; none if it is to stay as it is.
fn flags(path: &str, options: &str, given: &[Mount]) -> Option<MountFlags> {
    let device = is_beneath(path, "/dev");
    if DONE.contains(&path) || device {
        return None;
    }
    let holds = |mount: &&Mount| mount.to == path || is_beneath(path, &mount.to);
    let nearest = given
        .iter()
        .filter(holds)
        .max_by_key(|mount| mount.to.len());
    let has = |option: &str| options.split(',').any(|other| other == option);
    let mut flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    if has("ro") || !nearest.is_some_and(|mount| mount.writable) {
        flags |= MountFlags::RDONLY;
    }
    // What the host forbids cannot be allowed again: the kernel refuses to.
    if has("noexec") {
        flags |= MountFlags::NOEXEC;
    }
    Some(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(to: &str, writable: bool) -> Mount {
        Mount {
            from: "/x".into(),
            to: to.to_owned(),
            writable,
        }
    }

    #[test]
    fn lines_are_read_with_their_escapes() {
        let line = r"36 35 98:0 /m /a\040b\134c rw,noatime master:1 - ext3 /dev/root rw";
        let mounted = parse(line).expect("is a line");
        assert_eq!(mounted.path, br"/a b\c");
        assert_eq!(mounted.options, "rw,noatime");
        assert!(parse("36 35").is_none());
        assert_eq!(unescape(r"\04"), br"\04");
        assert_eq!(unescape(r"\999"), br"\999");
    }

    #[test]
    fn only_what_is_given_as_writable_can_be_written() {
        let given = [
            mount("/", false),
            mount("/reproof/out", true),
            mount("/reproof/in", false),
        ];
        let read_only =
            |path| flags(path, "rw", &given).is_none_or(|flags| flags.contains(MountFlags::RDONLY));
        assert!(!read_only("/reproof/out"));
        assert!(!read_only("/reproof/out/below"));
        for path in [
            "/",
            "/bin",
            "/reproof/in",
            "/reproof/outer",
            "/proc/stat",
            "/sys",
        ] {
            assert!(read_only(path), "{path}");
        }
        let flags = flags("/reproof/out", "ro,noexec", &given).expect("is changed");
        assert!(flags.contains(MountFlags::RDONLY | MountFlags::NOEXEC | MountFlags::NODEV));
    }

    #[test]
    fn devices_stay_devices() {
        assert_eq!(flags("/dev/null", "rw", &[]), None);
    }
}
