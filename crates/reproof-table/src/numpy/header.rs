//! The header of an array: what it is made of, and its shape.
//!
//! The format is NumPy's `NPY`, versions 1 to 3 (numpy.lib.format): a magic, a version, a length,
//! and the literal of a Python dictionary.

use std::io::Read;

use super::value::Kind;
use crate::NumpyProblem;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest header, in bytes.
const MAX_HEADER: usize = 1 << 20;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// One kind; or the fields of a structured array, by name.
    pub of: Elements,
    /// Whether columns, rather than rows, lie together.
    pub fortran: bool,
    /// The length of each dimension.
    pub shape: Vec<u64>,
}

/// What an array is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    Plain(Kind),
    Fields(Vec<(String, Kind)>),
}

impl Header {
    /// Reads it, up to the first byte of the data.
    pub fn read(source: &mut dyn Read) -> Result<Self, NumpyProblem> {
        let mut begin = [0; 8];
        read_exact(source, &mut begin)?;
        if begin[..6] != *MAGIC {
            return Err(NumpyProblem::Format(
                "it does not begin like one".to_owned(),
            ));
        }
        let length = match begin[6] {
            1 => {
                let mut bytes = [0; 2];
                read_exact(source, &mut bytes)?;
                usize::from(u16::from_le_bytes(bytes))
            }
            2 | 3 => {
                let mut bytes = [0; 4];
                read_exact(source, &mut bytes)?;
                usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
            }
            version => {
                let what = format!("its version is {version}; 1, 2 and 3 are known");
                return Err(NumpyProblem::Format(what));
            }
        };
        if length > MAX_HEADER {
            let what = format!("its header has {length} bytes");
            return Err(NumpyProblem::Format(what));
        }
        let mut text = vec![0; length];
        read_exact(source, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        parse(&text).map_err(|error| match error {
            Fault::Type(problem) => problem,
            Fault::Syntax(what) => NumpyProblem::Format(format!("its header: {what}")),
        })
    }
}

fn read_exact(source: &mut dyn Read, bytes: &mut [u8]) -> Result<(), NumpyProblem> {
    source
        .read_exact(bytes)
        .map_err(|error| NumpyProblem::Format(format!("its header cannot be read: {error}")))
}

enum Fault {
    Syntax(&'static str),
    Type(NumpyProblem),
}

/// A value of a Python literal, as far as headers have them.
#[derive(Debug)]
enum Literal {
    Text(String),
    Boolean(bool),
    Number(u64),
    /// A list or a tuple.
    Sequence(Vec<Literal>),
    Dictionary(Vec<(Literal, Literal)>),
}

fn parse(text: &str) -> Result<Header, Fault> {
    let mut parser = Parser {
        rest: text,
        depth: 0,
    };
    let value = parser.value()?;
    if !parser.rest.trim().is_empty() {
        return Err(Fault::Syntax("something follows the dictionary"));
    }
    let Literal::Dictionary(entries) = value else {
        return Err(Fault::Syntax("a dictionary is wanted"));
    };
    let (mut of, mut fortran, mut shape) = (None, None, None);
    for (key, value) in entries {
        match (key, value) {
            (Literal::Text(key), value) if key == "descr" => of = Some(elements(value)?),
            (Literal::Text(key), Literal::Boolean(value)) if key == "fortran_order" => {
                fortran = Some(value);
            }
            (Literal::Text(key), Literal::Sequence(lengths)) if key == "shape" => {
                let lengths = lengths.into_iter().map(|length| match length {
                    Literal::Number(length) => Ok(length),
                    _ => Err(Fault::Syntax("a length is no number")),
                });
                shape = Some(lengths.collect::<Result<_, _>>()?);
            }
            _ => return Err(Fault::Syntax("an unknown entry")),
        }
    }
    match (of, fortran, shape) {
        (Some(of), Some(fortran), Some(shape)) => Ok(Header { of, fortran, shape }),
        _ => Err(Fault::Syntax("an entry is missing")),
    }
}

fn elements(value: Literal) -> Result<Elements, Fault> {
    let kind = |text: &str| Kind::parse(text).map_err(Fault::Type);
    match value {
        Literal::Text(text) => Ok(Elements::Plain(kind(&text)?)),
        Literal::Sequence(fields) => {
            let fields = fields.into_iter().map(|field| match field {
                Literal::Sequence(parts) => match &parts[..] {
                    [Literal::Text(name), Literal::Text(of)] => Ok((name.clone(), kind(of)?)),
                    _ => Err(Fault::Type(NumpyProblem::Type {
                        found: "a field that is an array or a structure itself".to_owned(),
                    })),
                },
                _ => Err(Fault::Syntax("a field is no pair")),
            });
            Ok(Elements::Fields(fields.collect::<Result<_, _>>()?))
        }
        _ => Err(Fault::Syntax("the type is neither a text nor a list")),
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Literal, Fault> {
        self.depth += 1;
        if self.depth > 8 {
            return Err(Fault::Syntax("it is nested too deeply"));
        }
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next();
        let value = match first {
            Some('{') => self.dictionary()?,
            Some('[') => self.sequence(']')?,
            Some('(') => self.sequence(')')?,
            Some(quote @ ('\'' | '"')) => self.text(quote)?,
            Some('0'..='9') => self.number()?,
            _ if self.take("True") => Literal::Boolean(true),
            _ if self.take("False") => Literal::Boolean(false),
            _ => return Err(Fault::Syntax("an unknown value")),
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Takes this text, after white space, if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn sequence(&mut self, end: char) -> Result<Literal, Fault> {
        self.rest = &self.rest[1..];
        let end = end.to_string();
        let mut values = Vec::new();
        while !self.take(&end) {
            values.push(self.value()?);
            if !self.take(",") && !self.rest.trim_start().starts_with(&end) {
                return Err(Fault::Syntax("a comma is wanted"));
            }
        }
        Ok(Literal::Sequence(values))
    }

    fn dictionary(&mut self) -> Result<Literal, Fault> {
        self.rest = &self.rest[1..];
        let mut entries = Vec::new();
        while !self.take("}") {
            let key = self.value()?;
            if !self.take(":") {
                return Err(Fault::Syntax("a colon is wanted"));
            }
            entries.push((key, self.value()?));
            if !self.take(",") && !self.rest.trim_start().starts_with('}') {
                return Err(Fault::Syntax("a comma is wanted"));
            }
        }
        Ok(Literal::Dictionary(entries))
    }

    fn text(&mut self, quote: char) -> Result<Literal, Fault> {
        let rest = &self.rest[1..];
        let end = rest.find(quote);
        let end = end.ok_or(Fault::Syntax("a text does not end"))?;
        let text = &rest[..end];
        if text.contains('\\') {
            return Err(Fault::Syntax("a name with a backslash"));
        }
        self.rest = &rest[end + 1..];
        Ok(Literal::Text(text.to_owned()))
    }

    fn number(&mut self) -> Result<Literal, Fault> {
        let digits = self.rest.find(|c: char| !c.is_ascii_digit());
        let (number, rest) = self.rest.split_at(digits.unwrap_or(self.rest.len()));
        self.rest = rest;
        let number = number.parse();
        Ok(Literal::Number(
            number.map_err(|_| Fault::Syntax("a number is too large"))?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Header, String> {
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        Header::read(&mut &bytes[..]).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_numpy_writes_is_read() {
        let plain = read("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }     \n");
        let plain = plain.unwrap();
        assert_eq!((plain.shape, plain.fortran), (vec![3, 4], false));
        let one = read("{'descr': '|b1', 'fortran_order': True, 'shape': (3,), }\n").unwrap();
        assert_eq!((one.shape, one.fortran), (vec![3], true));
        let single = read("{'descr': '<i4', 'fortran_order': False, 'shape': (), }");
        assert!(single.unwrap().shape.is_empty());
        let fields =
            "{'descr': [('a', '<f8'), ('b', '<U3')], 'fortran_order': False, 'shape': (2,)}";
        let Elements::Fields(fields) = read(fields).unwrap().of else {
            panic!("{fields}");
        };
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, expect) in [
            ("", "an unknown value"),
            ("{'descr': '<f8'}", "an entry is missing"),
            (
                "{'descr': '<f8', 'fortran_order': False, 'shape': (3, x)}",
                "an unknown value",
            ),
            (
                "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
                "objects",
            ),
            (
                "{'descr': '<c16', 'fortran_order': False, 'shape': (3,)}",
                "complex",
            ),
            (
                "{'descr': [('a', '<f8', (3,))], 'fortran_order': False, 'shape': (3,)}",
                "a field that is",
            ),
            ("((((((((((1))))))))))", "nested"),
            ("{'shape': (99999999999999999999,)}", "too large"),
            ("__import__('os')", "an unknown value"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
        assert!(Header::read(&mut &b"PK\x03\x04...."[..]).is_err());
        assert!(Header::read(&mut &b"\x93NUMPY\x04\0\0\0\0\0"[..]).is_err());
        assert!(Header::read(&mut &b"\x93NUMPY\x02\0\xff\xff\xff\xff"[..]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}()\\[\\],:'a-z0-9 <|]{0,60}") {
            let _ = read(&text);
        }
    }
}
