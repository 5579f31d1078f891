//! What `git status` and `git ls-files` write, with `-z`.

use crate::error::CaptureError;

/// A tracked file that differs from the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// Its path inside the project.
    pub path: &'a [u8],
    /// Whether it is part of the commit at all.
    pub committed: bool,
    /// Whether there is no such file on disk.
    pub missing: bool,
}

/// What `git status --porcelain=v2 --branch -z` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status<'a> {
    /// The commit; none before the first.
    pub commit: Option<&'a str>,
    /// The branch; none on a detached head.
    pub branch: Option<String>,
    /// The tracked files that differ.
    pub changes: Vec<Change<'a>>,
    /// The files that git neither tracks nor ignores. A repository inside this one ends with `/`.
    pub untracked: Vec<&'a [u8]>,
}

/// Reads the output. Its paths begin at the repository's root; `prefix` leads from there to the
/// project.
pub(crate) fn parse_status<'a>(
    output: &'a [u8],
    prefix: &[u8],
) -> Result<Status<'a>, CaptureError> {
    let mut status = Status::default();
    let mut lines = output
        .split(|byte| *byte == 0)
        .filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        let wrong = || CaptureError::Output {
            command: "status",
            what: String::from_utf8_lossy(line).into_owned(),
        };
        let (kind, rest) = line.split_at_checked(2).ok_or_else(wrong)?;
        match kind {
            b"# " => header(&mut status, rest),
            b"? " => status
                .untracked
                .push(inside(rest, prefix).ok_or_else(wrong)?),
            b"! " => {}
            b"1 " | b"2 " | b"u " => {
                let change = parse_change(kind[0], rest, prefix).ok_or_else(wrong)?;
                status.changes.push(change);
                if kind[0] == b'2' {
                    // Where it was renamed from. Renames are not asked for.
                    lines.next();
                }
            }
            _ => return Err(wrong()),
        }
    }
    Ok(status)
}

fn header<'a>(status: &mut Status<'a>, line: &'a [u8]) {
    let Ok(line) = std::str::from_utf8(line) else {
        return branch_of_other_bytes(status, line);
    };
    match line.split_once(' ') {
        Some(("branch.oid", commit)) if commit != "(initial)" => status.commit = Some(commit),
        Some(("branch.head", branch)) if branch != "(detached)" => {
            status.branch = Some(branch.to_owned());
        }
        _ => {}
    }
}

fn branch_of_other_bytes(status: &mut Status<'_>, line: &[u8]) {
    if let Some(branch) = line.strip_prefix(b"branch.head ") {
        status.branch = Some(String::from_utf8_lossy(branch).into_owned());
    }
}

/// `XY sub mH mI mW hH hI path`; for `2` one field more, for `u` two.
fn parse_change<'a>(kind: u8, line: &'a [u8], prefix: &[u8]) -> Option<Change<'a>> {
    let count = match kind {
        b'1' => 8,
        b'2' => 9,
        _ => 10,
    };
    let fields: Vec<&[u8]> = line.splitn(count, |byte| *byte == b' ').collect();
    let path = inside(fields.get(count - 1)?, prefix)?;
    let absent = |field: usize| fields[field] == b"000000";
    let (committed, missing) = if kind == b'u' {
        // m1 m2 m3 mW: what the sides of the merge have, and what is on disk.
        (true, absent(5))
    } else {
        (!absent(2), absent(4))
    };
    Some(Change {
        path,
        committed,
        missing,
    })
}

fn inside<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(prefix).filter(|path| !path.is_empty())
}

/// A file of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry<'a> {
    /// Its path inside the project.
    pub path: &'a [u8],
    /// Git's name for its bytes; a submodule's commit.
    pub blob: &'a [u8],
    /// Whether it is another repository's commit.
    pub submodule: bool,
    /// Whether git was told not to look whether it changed.
    pub overlooked: bool,
    /// Whether it need not be on disk (a sparse checkout).
    pub sparse: bool,
}

/// Reads the output of `git ls-files -z -s -v`: `TAG MODE BLOB STAGE<tab>PATH`. A file that is
/// being merged stands in it once, though it has up to three stages.
pub(crate) fn parse_index(output: &[u8]) -> Result<Vec<IndexEntry<'_>>, CaptureError> {
    let mut entries: Vec<IndexEntry<'_>> = Vec::new();
    for line in output
        .split(|byte| *byte == 0)
        .filter(|line| !line.is_empty())
    {
        let entry = parse_entry(line).ok_or_else(|| CaptureError::Output {
            command: "ls-files",
            what: String::from_utf8_lossy(line).into_owned(),
        })?;
        if entries.last().is_none_or(|last| last.path != entry.path) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn parse_entry(line: &[u8]) -> Option<IndexEntry<'_>> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let mut fields = line[..tab].split(|byte| *byte == b' ');
    let tag = *fields.next()?.first()?;
    let mode = fields.next()?;
    let blob = fields.next()?;
    let sparse = tag.eq_ignore_ascii_case(&b'S');
    Some(IndexEntry {
        path: &line[tab + 1..],
        blob,
        submodule: mode == b"160000",
        overlooked: sparse || tag.is_ascii_lowercase(),
        sparse,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZERO: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn a_status_with_everything() {
        let text = format!(
            "# branch.oid (initial)\0# branch.head main\0# branch.upstream o/main\0\
             1 .M N... 100644 100644 100644 {ZERO} {ZERO} sub/a b\n.py\0\
             1 AM N... 000000 100644 100644 {ZERO} {ZERO} sub/new\0\
             1 .D N... 100644 100644 000000 {ZERO} {ZERO} sub/gone\0\
             2 R. N... 100644 100644 100644 {ZERO} {ZERO} R100 sub/to\0from\0\
             u UU N... 100644 100644 100644 100644 {ZERO} {ZERO} {ZERO} sub/both\0\
             u DU N... 100644 000000 100644 000000 {ZERO} {ZERO} {ZERO} sub/one\0\
             ? sub/\"q\"\0? sub/inner/\0"
        );
        let status = parse_status(text.as_bytes(), b"sub/").unwrap();
        assert_eq!(
            (status.commit, status.branch.as_deref()),
            (None, Some("main"))
        );
        let change = |path: &'static str, committed, missing| Change {
            path: path.as_bytes(),
            committed,
            missing,
        };
        assert_eq!(
            status.changes,
            [
                change("a b\n.py", true, false),
                change("new", false, false),
                change("gone", true, true),
                change("to", true, false),
                change("both", true, false),
                change("one", true, true),
            ]
        );
        assert_eq!(status.untracked, [b"\"q\"".as_slice(), b"inner/"]);
    }

    #[test]
    fn a_path_outside_the_project_is_an_error() {
        assert!(parse_status(b"? other/x\0", b"sub/").is_err());
    }

    #[test]
    fn an_index() {
        let text = format!(
            "H 100644 {ZERO} 0\ta\tb\0h 100644 {ZERO} 0\tc\0S 100644 {ZERO} 0\td\0\
             M 100644 {ZERO} 1\te\0M 100644 {ZERO} 2\te\0H 160000 {ZERO} 0\tf\0"
        );
        let entries = parse_index(text.as_bytes()).unwrap();
        let facts: Vec<_> = entries
            .iter()
            .map(|entry| (entry.path, entry.submodule, entry.overlooked, entry.sparse))
            .collect();
        assert_eq!(
            facts,
            [
                (b"a\tb".as_slice(), false, false, false),
                (b"c", false, true, false),
                (b"d", false, true, true),
                (b"e", false, false, false),
                (b"f", true, false, false),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = parse_status(&bytes, b"");
            let _ = parse_index(&bytes);
        }

        #[test]
        fn anything_like_a_status_is_read_or_refused(text in "[12u?!# 0MAD.\0a-c/]{0,60}") {
            let _ = parse_status(text.as_bytes(), b"a/");
            let _ = parse_index(text.as_bytes());
        }
    }
}
