//! YAML, through the events of a parser of the whole language, to the tree; what a person would
//! not see at a glance (aliases, tags, merge keys, a second document) is refused.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Entry, MAX_DEPTH, MAX_TEXT, Node, Value, parse_plain};
use crate::diagnostic::{Report, Span, Spanned};
use crate::names::shown;

/// Parses a text that stands in a source from byte `base` on.
///
/// `None` if there is no tree that is worth validating; the reason is reported.
pub(crate) fn parse_yaml(
    text: &str,
    source: usize,
    base: usize,
    report: &mut Report<'_>,
) -> Option<Node> {
    let start = Span {
        source,
        start: base,
        end: base,
    };
    if text.len() > MAX_TEXT {
        report.error(start, format!("the text is larger than {MAX_TEXT} bytes"));
        return None;
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let base = base + (text.len() - body.len());
    Builder::new(body, source, base, report).run(body)
}

/// The keys and values of a mapping that is not complete.
struct OpenMap {
    entries: Vec<Entry>,
    /// Byte offsets of the keys so far.
    seen: BTreeMap<String, Span>,
    key: Pending,
}

/// The key that the next value belongs to.
enum Pending {
    /// A key comes next.
    None,
    Key(Spanned<String>),
    /// A key that was refused: its value is dropped.
    Refused,
}

enum Frame {
    List(Span, Vec<Node>),
    Map(Span, OpenMap),
}

struct Builder<'r, 's> {
    source: usize,
    base: usize,
    length: usize,
    /// The byte offset of every character; none if each is one byte.
    offsets: Option<Vec<usize>>,
    stack: Vec<Frame>,
    root: Option<Node>,
    report: &'r mut Report<'s>,
}

impl<'r, 's> Builder<'r, 's> {
    fn new(text: &str, source: usize, base: usize, report: &'r mut Report<'s>) -> Self {
        let offsets =
            (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        Self {
            source,
            base,
            length: text.len(),
            offsets,
            stack: Vec::new(),
            root: None,
            report,
        }
    }

    fn run(mut self, text: &str) -> Option<Node> {
        let mut parser = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    let at = self.offset(error.marker());
                    let hint = scan_hint(text, at - self.base);
                    let message = shown_message(error.info());
                    let span = Span {
                        source: self.source,
                        start: at,
                        end: at,
                    };
                    self.report.add(span, message, hint);
                    return None;
                }
            };
            let span = Span {
                source: self.source,
                start: self.offset(&span.start),
                end: self.offset(&span.end),
            };
            if let Event::DocumentStart(_) = event {
                documents += 1;
                if documents > 1 {
                    let message = "a second document begins here; only one may stand in a file";
                    self.report.error(span, message);
                    return None;
                }
            }
            if !self.event(event, span) {
                return None;
            }
        }
        let empty = Span {
            source: self.source,
            start: self.base,
            end: self.base,
        };
        Some(self.root.unwrap_or(Node::new(empty, Value::Null)))
    }

    fn offset(&self, marker: &Marker) -> usize {
        let index = marker.index();
        let byte = match &self.offsets {
            None => index.min(self.length),
            Some(offsets) => offsets.get(index).copied().unwrap_or(self.length),
        };
        self.base + byte
    }

    /// Takes one event; false if it is of no use to go on.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::Alias(_) => {
                let message = "an alias stands here; every value is written where it is used";
                self.report.error(span, message);
                self.complete(Node::new(span, Value::Invalid), None);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.properties(span, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                let value = if plain {
                    // A key is a name, whatever its value would be.
                    if self.wants_key() {
                        Value::Text(text.to_string())
                    } else {
                        self.plain(&text, span)
                    }
                } else {
                    Value::Text(text.to_string())
                };
                let key = (text.into_owned(), plain);
                self.complete(Node::new(span, value), Some(key));
            }
            Event::SequenceStart(anchor, tag) => {
                self.properties(span, anchor, tag.is_some());
                return self.open(span, Frame::List(span, Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                self.properties(span, anchor, tag.is_some());
                let map = OpenMap {
                    entries: Vec::new(),
                    seen: BTreeMap::new(),
                    key: Pending::None,
                };
                return self.open(span, Frame::Map(span, map));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => {}
        }
        true
    }

    fn properties(&mut self, span: Span, anchor: usize, tagged: bool) {
        if anchor > 0 {
            let message = "an anchor stands here; every value is written where it is used";
            self.report.error(span, message);
        }
        if tagged {
            let message = "a tag stands here; what a value is, is seen from the value itself";
            self.report.error(span, message);
        }
    }

    fn plain(&mut self, text: &str, span: Span) -> Value {
        parse_plain(text).unwrap_or_else(|refused| {
            self.report.hinted(span, refused.message, refused.hint);
            Value::Invalid
        })
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame::Map(_, map)) if matches!(map.key, Pending::None))
    }

    fn open(&mut self, span: Span, frame: Frame) -> bool {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            self.report.error(span, message);
            return false;
        }
        self.stack.push(frame);
        true
    }

    fn close(&mut self, end: Span) {
        let node = match self.stack.pop() {
            Some(Frame::List(span, items)) => Node::new(join(span, end), Value::List(items)),
            Some(Frame::Map(span, map)) => Node::new(join(span, end), Value::Map(map.entries)),
            None => return,
        };
        self.complete(node, None);
    }

    /// Puts a complete node where it belongs. `key` is its text, and whether that was plain, if
    /// the node may be a key.
    fn complete(&mut self, node: Node, key: Option<(String, bool)>) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List(_, items)) => items.push(node),
            Some(Frame::Map(_, map)) => match std::mem::replace(&mut map.key, Pending::None) {
                Pending::None => map.key = take_key(&map.seen, &node, key, self.report),
                Pending::Refused => {}
                Pending::Key(key) => {
                    map.seen.insert(key.value.clone(), key.span);
                    map.entries.push(Entry { key, value: node });
                }
            },
        }
    }
}

fn join(start: Span, end: Span) -> Span {
    Span {
        end: end.end.max(start.end),
        ..start
    }
}

fn take_key(
    seen: &BTreeMap<String, Span>,
    node: &Node,
    key: Option<(String, bool)>,
    report: &mut Report<'_>,
) -> Pending {
    let Some((text, plain)) = key else {
        if !node.is_invalid() {
            report.error(node.span, "a key must be a name, not a list or a mapping");
        }
        return Pending::Refused;
    };
    if plain && text.is_empty() {
        report.error(node.span, "a key is missing before ':'");
        return Pending::Refused;
    }
    if plain && text == "<<" {
        let message = "merge keys are not supported; every value is written where it is used";
        report.error(node.span, message);
        return Pending::Refused;
    }
    if let Some(first) = seen.get(&text) {
        // Finding a line takes a walk through the text, too long for every key of a hostile one.
        let line = if report.is_full() {
            0
        } else {
            report.sources().line(*first)
        };
        let message = format!("the key '{}' stands twice", shown(&text));
        report.hinted(
            node.span,
            message,
            format!("it stands in line {line} already"),
        );
        return Pending::Refused;
    }
    Pending::Key(Spanned::new(text, node.span))
}

/// The parser's message as a lower-case fragment.
fn shown_message(info: &str) -> String {
    if info.starts_with("recursion limit") {
        return format!("nested deeper than {MAX_DEPTH} levels");
    }
    let mut characters = info.chars();
    let first = characters.next().map(char::to_lowercase);
    first
        .into_iter()
        .flatten()
        .chain(characters)
        .filter(|c| crate::names::is_visible(*c))
        .collect()
}

fn scan_hint(text: &str, at: usize) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |index| index + 1);
    let line = text.get(start..)?.lines().next()?;
    let indent = line.len() - line.trim_start().len();
    if line[..indent].contains('\t') {
        return Some("indent with spaces: YAML takes no tabs there".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::Sources;

    fn parse(text: &str) -> (Option<Node>, String) {
        let mut sources = Sources::default();
        sources.add("f", text);
        let mut report = Report::new(&sources);
        let node = parse_yaml(text, 0, 0, &mut report);
        let errors = report.finish().err();
        let lines = errors.iter().flatten().map(|found| {
            let hint = found.hint.as_deref().map(|hint| format!(" ({hint})"));
            format!(
                "{}:{}: {}{}",
                found.line,
                found.column,
                found.message,
                hint.unwrap_or_default()
            )
        });
        let lines = lines.collect::<Vec<_>>().join("\n");
        (node, lines)
    }

    fn refused(text: &str, expect: &str) {
        assert_eq!(parse(text).1, expect, "{text}");
    }

    fn json(node: &Node) -> String {
        match &node.value {
            Value::List(items) => {
                format!(
                    "[{}]",
                    items.iter().map(json).collect::<Vec<_>>().join(", ")
                )
            }
            Value::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| format!("{}: {}", entry.key.value, json(&entry.value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(value) => value.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_tree_is_built() {
        let (node, errors) = parse(
            "\u{feff}# note\r\na: No\r\nb: [1, \"2\", 'x', ~, {c: yes}]\r\n2020: |\r\n  text\r\ne:\r\n",
        );
        assert_eq!(errors, "");
        assert_eq!(
            json(&node.unwrap()),
            r#"{a: "No", b: [1, "2", "x", Null, {c: "yes"}], 2020: "text\n", e: Null}"#
        );
        assert_eq!(json(&parse("").0.unwrap()), "Null");
        assert_eq!(json(&parse("--- {a: b}\n...\n").0.unwrap()), r#"{a: "b"}"#);
    }

    #[test]
    fn what_is_not_seen_at_a_glance_is_refused() {
        let alias = "an alias stands here; every value is written where it is used";
        let anchor = "an anchor stands here; every value is written where it is used";
        refused("a: &x 1\nb: *x\n", &format!("1:4: {anchor}\n2:4: {alias}"));
        refused(
            "a: !!str 1\nb: !!set {c}\n",
            "1:4: a tag stands here; what a value is, is seen from the value itself\n\
             2:4: a tag stands here; what a value is, is seen from the value itself",
        );
        refused(
            "a: 1\n<<: {b: 1}\n",
            "2:1: merge keys are not supported; every value is written where it is used",
        );
        refused(
            "a: 1\nb: 2\n\"a\": 3\n",
            "3:1: the key 'a' stands twice (it stands in line 1 already)",
        );
        refused(
            "a: 1\n---\nb: 2\n",
            "2:1: a second document begins here; only one may stand in a file",
        );
        refused(
            "? [a]\n: 1\n",
            "1:3: a key must be a name, not a list or a mapping",
        );
        refused(
            "a: 1\nb: 010\n",
            "2:4: the number '010' has a leading zero \
             (leave the zero out, or quote it if text is meant)",
        );
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let (node, errors) = parse("a:\n\t- b\n");
        assert!(node.is_none());
        assert!(errors.starts_with("2:"), "{errors}");
        assert!(errors.contains("indent with spaces"), "{errors}");
        let (_, errors) = parse("a: [1, 2\nb: 3\n");
        assert!(!errors.is_empty());
    }

    #[test]
    fn limits_hold_for_hostile_texts() {
        let deep = "[".repeat(MAX_TEXT);
        let (node, errors) = parse(&deep);
        assert!(node.is_none());
        assert_eq!(errors, "1:256: nested deeper than 64 levels");
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(parse(&deep).1, "1:65: nested deeper than 64 levels");
        assert_eq!(parse(&deep[1..129]).1, "");
        assert!(parse(&"a".repeat(MAX_TEXT + 1)).0.is_none());
        for piece in [
            "a: ", "- ", "? ", "!a ", "&a ", "{a: ", "\"", "a:\n ", "- - a\n",
        ] {
            parse(&piece.repeat(50_000 / piece.len()));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "[-a-z0-9:{}\\[\\],\"'#&*!|>%@ \\n\\t\\r?~.é\u{feff}]{0,80}") {
            parse(&text);
        }

        #[test]
        fn spans_are_of_the_scalars(words in prop::collection::vec("[a-zé😀]{1,5}", 1..8)) {
            let mut text = String::from("# é\r\nk:\r\n");
            for word in &words {
                text.push_str("  - ");
                text.push_str(word);
                text.push_str(" # é\r\n");
            }
            let (node, _) = parse(&text);
            let node = node.unwrap();
            for (item, word) in node.get("k").unwrap().items().iter().zip(&words) {
                prop_assert_eq!(&text[item.span.start..item.span.end], word);
            }
        }
    }
}
