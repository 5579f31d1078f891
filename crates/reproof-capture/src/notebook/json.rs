//! Where the parts of a JSON text stand, so that some of it can be replaced and the rest stays as it
//! is, byte by byte.
//!
//! A text is read whole by `serde_json` first; what stands here relies on that, and looks only for
//! where values begin and end. Nothing here calls itself, however deep a text is nested.

use std::ops::Range;

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name.
    pub key: String,
    /// Where the name stands, with its quotes.
    pub name: Range<usize>,
    /// Where the value stands.
    pub value: Range<usize>,
}

/// Where the value of a whole text stands.
pub(super) fn root(text: &str) -> Range<usize> {
    let start = blank(text, 0);
    start..end_of(text, start)
}

/// The members of the object that stands there; none if it is no object.
pub(super) fn members(text: &str, object: &Range<usize>) -> Vec<Member> {
    let mut found = Vec::new();
    if byte(text, object.start) != Some(b'{') {
        return found;
    }
    let mut at = blank(text, object.start + 1);
    while byte(text, at) == Some(b'"') {
        let name = at..end_of(text, at);
        let colon = blank(text, name.end);
        let start = blank(text, colon + 1);
        let value = start..end_of(text, start);
        at = blank(text, value.end);
        if byte(text, at) == Some(b',') {
            at = blank(text, at + 1);
        }
        let key = string(text, &name).unwrap_or_default();
        found.push(Member { key, name, value });
    }
    found
}

/// The value of this name among members. Of several of one name the last one counts, as everywhere.
pub(super) fn get(members: &[Member], key: &str) -> Option<Range<usize>> {
    let found = members.iter().rfind(|member| member.key == key);
    found.map(|member| member.value.clone())
}

/// The value of this name in the object that stands there. Whoever wants several looks for the members
/// once: all of the object is read each time.
pub(super) fn member(text: &str, object: &Range<usize>, key: &str) -> Option<Range<usize>> {
    get(&members(text, object), key)
}

/// The values in the array that stands there; none if it is no array.
pub(super) fn items(text: &str, array: &Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if byte(text, array.start) != Some(b'[') {
        return found;
    }
    let mut at = blank(text, array.start + 1);
    while !matches!(byte(text, at), None | Some(b']')) {
        let value = at..end_of(text, at);
        at = blank(text, value.end);
        if byte(text, at) == Some(b',') {
            at = blank(text, at + 1);
        }
        if value.is_empty() {
            break;
        }
        found.push(value);
    }
    found
}

/// The text that stands there, if it is one.
pub(super) fn string(text: &str, value: &Range<usize>) -> Option<String> {
    serde_json::from_str(slice(text, value)).ok()
}

/// The part of a text.
pub(super) fn slice<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
    text.get(range.clone()).unwrap_or_default()
}

fn byte(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

/// The first place from there on that is not blank.
fn blank(text: &str, mut at: usize) -> usize {
    while matches!(byte(text, at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Where the value ends that begins there.
fn end_of(text: &str, start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(found) = byte(text, at) {
        match found {
            b'"' => at = end_of_string(text, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            // The end of what is around.
            b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ => {
                at += 1;
                // A number or a word goes on.
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn end_of_string(text: &str, start: usize) -> usize {
    let mut at = start + 1;
    while let Some(rest) = text.as_bytes().get(at..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            None => break,
            Some(found) if rest[found] == b'"' => return at + found + 1,
            Some(found) => at += found + 2,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_where_they_stand() {
        let text =
            " {\"a\" : [1, \"x,]\\\"\", {\"b\": null}, []] ,\n\"c\":-1.5e3, \"\\u0064\": {}}\n";
        let whole = root(text);
        let shown: Vec<_> = members(text, &whole)
            .iter()
            .map(|member| (member.key.clone(), slice(text, &member.value)))
            .collect();
        let array = "[1, \"x,]\\\"\", {\"b\": null}, []]";
        let expected = [("a", array), ("c", "-1.5e3"), ("d", "{}")];
        assert_eq!(shown, expected.map(|(key, value)| (key.to_owned(), value)));
        let array = member(text, &whole, "a").unwrap();
        let shown: Vec<_> = items(text, &array)
            .iter()
            .map(|item| slice(text, item))
            .collect();
        assert_eq!(shown, ["1", "\"x,]\\\"\"", "{\"b\": null}", "[]"]);
        assert_eq!(member(text, &whole, "none"), None);
        assert!(members("[1]", &(0..3)).is_empty() && items("{}", &(0..2)).is_empty());
    }
}
