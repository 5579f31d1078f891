//! Which file a program is, and why it cannot be started if it cannot.
use rustix::fs::{Access, CWD, FileType, access, statat};

use crate::error::ProgramFault;

/// Enough of a file for its header, its program headers and the name of its loader.
const START: usize = 4096;

/// The file that `name` stands for: itself if it holds a `/`, else the first executable one in the folders of
/// `path`.
pub(crate) fn find(name: &str, path: Option<&str>) -> Result<String, ProgramFault> {
    if name.contains('/') {
        return match (exists(name), executable(name)) {
            (false, _) => Err(ProgramFault::NotFound { path: None }),
            (true, false) => Err(ProgramFault::NotExecutable(name.to_owned())),
            (true, true) => Ok(name.to_owned()),
        };
    }
    // As in every shell, an empty part means the working folder.
    let folders = path.unwrap_or_default().split(':');
    let file = |folder: &str| match folder {
        "" => format!("./{name}"),
        folder => format!("{}/{name}", folder.trim_end_matches('/')),
    };
    let files: Vec<String> = match path {
        None | Some("") => Vec::new(),
        Some(_) => folders.map(file).collect(),
    };
    if let Some(found) = files.iter().find(|file| executable(file)) {
        return Ok(found.clone());
    }
    match files.into_iter().find(|file| exists(file)) {
        Some(file) => Err(ProgramFault::NotExecutable(file)),
        None => Err(ProgramFault::NotFound {
            path: Some(path.unwrap_or_default().to_owned()),
        }),
    }
}

fn exists(file: &str) -> bool {
    statat(CWD, file, rustix::fs::AtFlags::empty()).is_ok()
}

fn executable(file: &str) -> bool {
    let facts = statat(CWD, file, rustix::fs::AtFlags::empty());
    let regular =
        facts.is_ok_and(|facts| FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile);
    regular && access(file, Access::EXEC_OK).is_ok()
}

/// Refuses a file that the kernel would not run, where its first bytes say so. The C library would hand such a
/// file to a shell.
pub(crate) fn check(file: &str) -> Result<(), ProgramFault> {
    // What may be run but not read is left to the kernel.
    let Some(start) = start(file) else {
        return Ok(());
    };
    let binary = start.starts_with(b"\x7fELF");
    if !binary && !start.starts_with(b"#!") {
        return Err(ProgramFault::UnknownFormat(file.to_owned()));
    }
    let other = |own: &Vec<u8>| start.get(4..20).map(kind).as_ref() != Some(own);
    if binary && own_kind().as_ref().is_some_and(other) {
        return Err(ProgramFault::WrongArchitecture(file.to_owned()));
    }
    Ok(())
}

/// Width, byte order and machine of a binary, out of bytes 4 to 19 of its header.
fn kind(header: &[u8]) -> Vec<u8> {
    let class = header.get(..2).unwrap_or_default();
    let machine = header.get(14..16).unwrap_or_default();
    [class, machine].concat()
}

/// Those of this program itself, whose file is not to be seen inside: 64 bits, the little end first, and the
/// machine's number by the ELF specification. None where the number is not known here.
fn own_kind() -> Option<Vec<u8>> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        "riscv64" => 243,
        _ => return None,
    };
    Some(vec![2, 1, machine, 0])
}

fn start(file: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; START];
    let length = crate::proc::read_start(file, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// What an error of the kernel at the start of `file` means.
pub(crate) fn explain(file: &str, errno: i32) -> ProgramFault {
    use nix::libc::{EACCES, ENOENT, ENOEXEC};
    match errno {
        ENOENT => match loader(file).filter(|loader| !exists(loader)) {
            Some(loader) => ProgramFault::MissingLoader(loader),
            None => ProgramFault::Other(errno),
        },
        EACCES => ProgramFault::NotExecutable(file.to_owned()),
        ENOEXEC => ProgramFault::WrongArchitecture(file.to_owned()),
        _ => ProgramFault::Other(errno),
    }
}

/// The loader that a binary names, or the interpreter of a script.
fn loader(file: &str) -> Option<String> {
    let start = start(file)?;
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next()?;
        return String::from_utf8_lossy(line)
            .split_whitespace()
            .next()
            .map(str::to_owned);
    }
    interpreter(&start)
}

/// The text of the `PT_INTERP` segment of a 64-bit binary.
fn interpreter(start: &[u8]) -> Option<String> {
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = start.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
        )
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        // PT_INTERP
        if number(at, 4)? == 3 {
            let text = number(at.checked_add(8)?, 8)?;
            let text = start.get(text..)?.split(|&byte| byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_order_of_the_path() {
        assert_eq!(find("sh", Some("/nowhere:/bin")), Ok("/bin/sh".to_owned()));
        assert_eq!(find("/bin/sh", None), Ok("/bin/sh".to_owned()));
        let path = Some("/nowhere".to_owned());
        assert_eq!(
            find("sh", Some("/nowhere")),
            Err(ProgramFault::NotFound { path })
        );
        assert!(matches!(
            find("sh", None),
            Err(ProgramFault::NotFound { .. })
        ));
        assert!(matches!(
            find("/etc/passwd", None),
            Err(ProgramFault::NotExecutable(_))
        ));
        assert!(matches!(
            find("passwd", Some("/etc")),
            Err(ProgramFault::NotExecutable(_))
        ));
        assert!(matches!(
            find("/etc", None),
            Err(ProgramFault::NotExecutable(_))
        ));
    }

    #[test]
    fn files_are_told_apart_by_their_first_bytes() {
        assert_eq!(check("/bin/sh"), Ok(()));
        assert!(matches!(
            check("/etc/passwd"),
            Err(ProgramFault::UnknownFormat(_))
        ));
        let text = loader("/proc/self/exe").expect("a test is linked against the C library");
        assert!(text.contains("ld"), "{text}");
    }

    #[test]
    fn a_broken_header_names_no_loader() {
        let whole = start("/proc/self/exe").expect("can be read");
        for length in 0..whole.len().min(900) {
            let _ = interpreter(&whole[..length]);
        }
        assert_eq!(interpreter(&[0xff; 4096]), None);
    }
}
