//! `.reproofignore`: what is not code, in the syntax of `.gitignore`.

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: any byte but `/`.
    One,
    /// `[…]`: a byte of a set, never `/`.
    Set {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
    /// `*`: any bytes but `/`.
    Many,
    /// Stands before `Folders`, which may be left out.
    NoFolder,
    /// `**/` at the start or after `/`: any folders.
    Folders,
    /// `/**` at the end: anything.
    Everything,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    tokens: Vec<Token>,
    /// Begins with `!`: takes back what an earlier rule said.
    negated: bool,
    /// Ends with `/`: for folders only.
    folders_only: bool,
    /// No `/` before its end: for a name in whatever folder.
    name_only: bool,
}

/// The rules of a `.reproofignore` file, which lies in the project's root folder and nowhere else.
///
/// The syntax and meaning are those of `.gitignore` (gitignore(5)): the last rule that matches
/// decides, and what lies in an excluded folder cannot be taken back. Upper and lower case differ
/// on every system. A pattern that is no pattern, such as one with an open bracket, matches
/// nothing, as in git.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

impl IgnoreRules {
    /// The rules that stand in a file of these bytes.
    pub fn parse(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self {
            rules: bytes
                .split(|byte| *byte == b'\n')
                .filter_map(parse_rule)
                .collect(),
        }
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a file or folder of this path is excluded: by a rule for it, or for a folder that
    /// it lies in.
    pub fn excludes(&self, path: &str, is_folder: bool) -> bool {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        folders
            .into_iter()
            .any(|folder| self.excludes_itself(folder, true))
            || self.excludes_itself(path, is_folder)
    }

    /// Whether a file or folder of this path is excluded, given that no folder above it is.
    pub(crate) fn excludes_itself(&self, path: &str, is_folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let matching = |rule: &&Rule| {
            let text = if rule.name_only { name } else { path };
            (is_folder || !rule.folders_only) && matches(&rule.tokens, text.as_bytes())
        };
        self.rules
            .iter()
            .rev()
            .find(matching)
            .is_some_and(|rule| !rule.negated)
    }
}

fn parse_rule(line: &[u8]) -> Option<Rule> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"#") {
        return None;
    }
    let line = trim_spaces(line);
    let (negated, pattern) = match line.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (folders_only, pattern) = match pattern.strip_suffix(b"/") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let name_only = !pattern.contains(&b'/');
    let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
    if pattern.is_empty() {
        return None;
    }
    Some(Rule {
        tokens: compile(pattern)?,
        negated,
        folders_only,
        name_only,
    })
}

/// The line without the spaces at its end, but for one that a backslash protects.
fn trim_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        let escapes = line[at] == b'\\';
        let space = line[at] == b' ';
        at += if escapes { 2 } else { 1 };
        if !space {
            end = at.min(line.len());
        }
    }
    &line[..end]
}

/// The pattern as tokens; none if it can match nothing.
fn compile(pattern: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        at += 1;
        match byte {
            b'?' => tokens.push(Token::One),
            b'*' => {
                let first = at - 1;
                at += pattern[at..]
                    .iter()
                    .take_while(|byte| **byte == b'*')
                    .count();
                // Git compares what stands before the first special character as it is, and then
                // reads the rest as if the pattern began there: `a**` is `a` and anything.
                let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
                let begins = !pattern[..first].iter().any(special) || pattern[first - 1] == b'/';
                match &pattern[at..] {
                    _ if at - first < 2 || !begins => tokens.push(Token::Many),
                    [] => tokens.push(Token::Everything),
                    [b'/', ..] => {
                        at += 1;
                        tokens.extend([Token::NoFolder, Token::Folders]);
                    }
                    // With its slash protected, git wants at least one folder.
                    [b'\\', b'/', ..] => {
                        at += 2;
                        tokens.push(Token::Folders);
                    }
                    _ => tokens.push(Token::Many),
                }
            }
            b'[' => {
                let (set, after) = compile_set(pattern, at)?;
                tokens.push(set);
                at = after;
            }
            b'\\' => {
                tokens.push(Token::Byte(*pattern.get(at)?));
                at += 1;
            }
            other => tokens.push(Token::Byte(other)),
        }
    }
    Some(tokens)
}

/// The set that begins after the bracket before `at`, and where the pattern goes on.
fn compile_set(pattern: &[u8], mut at: usize) -> Option<(Token, usize)> {
    let negated = matches!(pattern.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    let mut ranges = Vec::new();
    // The byte before, from which a range may begin.
    let mut before = None;
    let mut first = true;
    loop {
        let byte = *pattern.get(at)?;
        at += 1;
        match byte {
            b']' if !first => break,
            b'-' if before.is_some() && pattern.get(at).is_some_and(|next| *next != b']') => {
                let mut last = *pattern.get(at)?;
                at += 1;
                if last == b'\\' {
                    last = *pattern.get(at)?;
                    at += 1;
                }
                ranges.extend(before.map(|start| (start, last)));
                before = None;
            }
            b'[' if pattern.get(at) == Some(&b':') => {
                let end = at + pattern[at..].iter().position(|byte| *byte == b']')?;
                if end > at + 1 && pattern[end - 1] == b':' {
                    ranges.extend_from_slice(named_set(&pattern[at + 1..end - 1])?);
                    at = end + 1;
                    before = None;
                } else {
                    ranges.push((b'[', b'['));
                    before = Some(b'[');
                }
            }
            _ => {
                let mut literal = byte;
                if byte == b'\\' {
                    literal = *pattern.get(at)?;
                    at += 1;
                }
                ranges.push((literal, literal));
                before = Some(literal);
            }
        }
        first = false;
    }
    Some((Token::Set { negated, ranges }, at))
}

/// The sets of POSIX, such as `[:digit:]`, of ASCII.
fn named_set(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"blank" => &[(b' ', b' '), (b'\t', b'\t')],
        b"cntrl" => &[(0, 31), (127, 127)],
        b"digit" => &[(b'0', b'9')],
        b"graph" => &[(b'!', b'~')],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(b' ', b'~')],
        b"punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        b"space" => &[(b' ', b' '), (b'\t', b'\r')],
        b"upper" => &[(b'A', b'Z')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

/// Whether the tokens match the whole text. Every token is tried at every place at most once, so
/// that no pattern takes long.
fn matches(tokens: &[Token], text: &[u8]) -> bool {
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    skip_optional(tokens, &mut reached);
    for &byte in text {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens
            .iter()
            .enumerate()
            .filter(|(index, _)| reached[*index])
        {
            match token {
                Token::Byte(wanted) => next[index + 1] |= *wanted == byte,
                Token::One => next[index + 1] |= byte != b'/',
                Token::Set { negated, ranges } => {
                    let inside = ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&byte));
                    next[index + 1] |= inside != *negated && byte != b'/';
                }
                Token::Many => next[index] |= byte != b'/',
                Token::NoFolder => {}
                Token::Folders => {
                    next[index] = true;
                    next[index + 1] |= byte == b'/';
                }
                Token::Everything => next[index] = true,
            }
        }
        skip_optional(tokens, &mut next);
        reached = next;
    }
    reached[tokens.len()]
}

/// Marks what is reached because the token before it may match nothing.
fn skip_optional(tokens: &[Token], reached: &mut [bool]) {
    for (index, token) in tokens.iter().enumerate() {
        if !reached[index] {
            continue;
        }
        match token {
            Token::Many | Token::Everything => reached[index + 1] = true,
            Token::NoFolder => {
                reached[index + 1] = true;
                reached[index + 2] = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, path: &str, excluded: bool) {
        let parsed = IgnoreRules::parse(rules.as_bytes());
        assert_eq!(
            parsed.excludes(path, false),
            excluded,
            "{rules:?} on {path:?}"
        );
    }

    #[test]
    fn names_and_paths() {
        check("*.log", "a/b/x.log", true);
        check("/*.log", "a/x.log", false);
        check("a/*.log", "a/x.log", true);
        check("a/*.log", "b/a/x.log", false);
        check("data/", "x/data/y.csv", true);
        check("data/", "data", false);
        check("a?c", "abc", true);
        check("a?c", "a/c", false);
    }

    #[test]
    fn two_stars() {
        check("**/a", "x/y/a", true);
        check("**/a", "a", true);
        check("**/a", "xa", false);
        check("a/**/b", "a/b", true);
        check("a/**/b", "a/x/y/b", true);
        check("a/**/b", "a/xb", false);
        check("a/**", "a/x", true);
        check("a**b", "axxb", true);
    }

    #[test]
    fn the_last_rule_decides_but_not_inside_an_excluded_folder() {
        check("*.csv\n!keep.csv", "keep.csv", false);
        check("!keep.csv\n*.csv", "keep.csv", true);
        check("data\n!data/keep.csv", "data/keep.csv", true);
    }

    #[test]
    fn comments_escapes_and_spaces() {
        check("#a", "#a", false);
        check("\\#a", "#a", true);
        check("\\!a", "!a", true);
        check("a  \r\n", "a", true);
        check("a\\ ", "a ", true);
        check("\u{feff}a", "a", true);
        check("\n\n/\n!", "a", false);
    }

    #[test]
    fn sets() {
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[]a]x", "]x", true);
        check("[[:digit:]]", "7", true);
        check("[[:what:]]", "w", false);
        check("[abc", "a", false);
        check("a[/]b", "a/b", false);
        check("a\\", "a", false);
    }

    #[test]
    fn a_hostile_pattern_is_quick() {
        let rule = "*a".repeat(2000) + "b";
        check(&rule, &"a".repeat(4000), false);
    }
}
