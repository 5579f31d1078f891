//! `.reproofignore` against git's own reading of the same patterns.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::Sandbox;
use proptest::prelude::*;
use reproof_capture::IgnoreRules;

const FILES: [&str; 16] = [
    "a", "b", "ab", "a.b", "d/a", "d/b", "d/ab", "d/e/a", "d/e/b.a", "d/e/f/a", "e/d/a", "e/a b",
    "e/[a]", "-a/!b", "#a", "e/ ",
];

/// What git would capture with these patterns.
fn by_git(sandbox: &Sandbox, patterns: &str) -> BTreeSet<String> {
    sandbox.write(".git/info/exclude", patterns);
    let listed = sandbox.git(["ls-files", "-z", "--others", "--exclude-standard"]);
    listed
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect()
}

fn by_us(patterns: &str) -> BTreeSet<String> {
    let rules = IgnoreRules::parse(patterns.as_bytes());
    let kept = FILES.iter().filter(|path| !rules.excludes(path, false));
    kept.map(|path| (*path).to_owned()).collect()
}

fn repository() -> Sandbox {
    let sandbox = Sandbox::unborn();
    for path in FILES {
        sandbox.write(path, "");
    }
    sandbox
}

/// Patterns made of what has a meaning in them.
fn patterns() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "d",
        "e",
        "f",
        ".",
        "/",
        "/",
        "*",
        "**",
        "**/",
        "/**",
        "?",
        "[ab]",
        "[!a]",
        "[a-",
        "[]a]",
        "[[:alpha:]]",
        "[[:no:]]",
        "[^-b]",
        "\\",
        "\\*",
        " ",
        "#",
        "!",
        "-",
        "]",
        "\\ ",
    ]);
    let line = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let line = (prop::bool::weighted(0.3), line)
        .prop_map(|(negated, line)| if negated { format!("!{line}") } else { line });
    prop::collection::vec(line, 1..5).prop_map(|lines| lines.join("\n") + "\n")
}

#[test]
fn git_and_we_read_patterns_alike() {
    let sandbox = repository();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(patterns in patterns())| {
        prop_assert_eq!(by_us(&patterns), by_git(&sandbox, &patterns), "{:?}", patterns);
    });
}
