//! From the text of a Python file to what it imports. The one module that knows the parser.
//!
//! Nothing is executed, and no text can do harm: files are parsed on a thread whose stack fits
//! whatever can be nested in them.

use std::borrow::Cow;
use std::thread;

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Mod, ModModule, Stmt};
use ruff_python_parser::{Mode, ParseError, ParseOptions, Parsed, parse_module};

use super::imports::FileImports;
use super::visit::Collector;

/// The largest file that is parsed: 1 MiB. Larger ones are data in the shape of code, and the
/// memory that a parser takes for what is nested in itself is a thousand times its size.
const LIMIT: usize = 1 << 20;
/// The stack of a thread that parses, for what does not depend on the file.
const STACK: usize = 16 << 20;
/// And for each byte of the file: what frees an expression calls itself as deep as it is nested.
const STACK_PER_BYTE: usize = 256;

/// What a Python file of these bytes imports.
pub(crate) fn imports(bytes: &[u8]) -> FileImports {
    if bytes.len() > LIMIT {
        let message = format!("larger than {} MiB", LIMIT >> 20);
        return FileImports::failed(1, message);
    }
    let text = decode(bytes);
    let parsed = on_large_stack(text.len(), || parse(&text));
    parsed.unwrap_or_else(|reason| FileImports::failed(1, reason))
}

/// What `work` makes of the text of a Python file and what was parsed of it; none if it cannot be
/// parsed.
pub(crate) fn with_module<T: Send>(
    bytes: &[u8],
    work: impl FnOnce(&str, &Parsed<ModModule>) -> T + Send,
) -> Option<T> {
    if bytes.len() > LIMIT {
        return None;
    }
    let text = decode(bytes);
    let parsed = on_large_stack(text.len(), || {
        let parsed = parse_module(&text).ok()?;
        Some(work(&text, &parsed))
    });
    parsed.ok().flatten()
}

/// The line, column (in characters, from 1) and reason why the bytes of a file are no Python; none if
/// they are, or are too many to be parsed.
pub(crate) fn module_fault(bytes: &[u8]) -> Option<(u32, u32, String)> {
    if bytes.len() > LIMIT {
        return None;
    }
    let text = decode(bytes);
    let fault = on_large_stack(text.len(), || {
        let ParseError { error, location } = parse_module(&text).err()?;
        let lines = Lines::new(&text);
        let at = location.start().to_usize();
        let before = text.get(lines.start(at)..at).unwrap_or_default();
        let column = before.chars().count() as u32 + 1;
        Some((lines.line(at), column, error.to_string()))
    });
    fault.ok().flatten()
}

/// A cell that was parsed, or the line and the reason why it cannot be.
pub(crate) type ParsedCell<'p> = Result<&'p Parsed<ModModule>, (u32, String)>;

/// What `work` makes of the cells of a notebook, in the dialect of IPython.
///
/// # Errors
/// Why they are not parsed at all.
pub(crate) fn with_cells<T: Send>(
    texts: &[&str],
    work: impl FnOnce(&[ParsedCell<'_>]) -> T + Send,
) -> Result<T, String> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if bytes > LIMIT {
        return Err(format!("its code is larger than {} MiB", LIMIT >> 20));
    }
    on_large_stack(bytes, || {
        let parsed: Vec<_> = texts.iter().map(|text| parse_cell(text)).collect();
        let cells: Vec<ParsedCell<'_>> = parsed
            .iter()
            .map(|parsed| parsed.as_ref().map_err(Clone::clone))
            .collect();
        work(&cells)
    })
}

fn parse_cell(text: &str) -> Result<Parsed<ModModule>, (u32, String)> {
    let fault = |error: &ParseError| {
        let line = Lines::new(text).line(error.location.start().to_usize());
        (line, error.error.to_string())
    };
    let parsed: Parsed<Mod> = ruff_python_parser::parse(text, ParseOptions::from(Mode::Ipython))
        .map_err(|e| fault(&e))?;
    let module = parsed.try_into_module();
    module.ok_or_else(|| (1, "it is no module".to_owned()))
}

/// Does something with the statements of a short piece of Python; false if it is none. For whoever is
/// on a thread of this module already.
pub(crate) fn with_python(text: &str, work: impl FnOnce(&[Stmt])) -> bool {
    let parsed = parse_module(text);
    if let Ok(parsed) = &parsed {
        work(parsed.suite());
    }
    parsed.is_ok()
}

/// What statements with this text import.
pub(crate) fn imports_of(text: &str, body: &[Stmt]) -> FileImports {
    collect(body, &Lines::new(text))
}

/// Does something with a text of so many bytes on a thread whose stack fits whatever is nested in it.
fn on_large_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        // Memory that is not touched is not taken.
        let stack = STACK + STACK_PER_BYTE * bytes;
        let thread = thread::Builder::new().stack_size(stack);
        match thread.spawn_scoped(scope, work) {
            Ok(thread) => thread.join().map_err(|_| "the parser gave up".to_owned()),
            Err(error) => Err(format!("no thread to parse it on: {error}")),
        }
    })
}

/// The text of a file. An import's name is hardly ever outside ASCII, so that other encodings need
/// not be known: what is not UTF-8 stands for itself as a replacement character.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(bytes)
}

fn parse(text: &str) -> FileImports {
    let lines = Lines::new(text);
    match parse_module(text) {
        Ok(parsed) => collect(parsed.suite(), &lines),
        Err(ParseError { error, location }) => {
            FileImports::failed(lines.line(location.start().to_usize()), error.to_string())
        }
    }
}

fn collect(body: &[Stmt], lines: &Lines) -> FileImports {
    let mut collector = Collector::new(lines);
    collector.visit_body(body);
    collector.finish()
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = |at: usize| match bytes[at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let starts = (0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1);
        Self(std::iter::once(0).chain(starts).collect())
    }

    /// The number of the line that this byte stands in, from 1.
    pub(crate) fn line(&self, byte: usize) -> u32 {
        self.0.partition_point(|start| *start <= byte) as u32
    }

    /// Where the line of this byte begins.
    pub(crate) fn start(&self, byte: usize) -> usize {
        let after = self.0.partition_point(|start| *start <= byte);
        self.0.get(after.saturating_sub(1)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::imports::{Dynamic, Import, Literal};
    use super::*;

    /// The imports of a text, one a line: `LEVEL MODULE [NAMES] @LINE`, with `?` if optional.
    fn shown(text: &str) -> Vec<String> {
        let found = imports(text.as_bytes());
        assert_eq!(found.fault, None, "{text}");
        let show = |import: &Import| {
            let mark = if import.optional { "?" } else { "" };
            format!(
                "{}{}:{}@{}{mark}",
                ".".repeat(import.level as usize),
                import.module,
                import.names.join(","),
                import.line
            )
        };
        found.imports.iter().map(show).collect()
    }

    #[test]
    fn statements() {
        let text = "import a.b, c as d\nfrom e import f, g as h\nfrom . import i\nfrom ..j import k\n\
                    from l import *\nimport c\n";
        let expected = ["a.b:@1", "c:@1", "e:f,g@2", ".:i@3", "..j:k@4", "l:*@5"];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn wherever_they_stand() {
        let text = "def f():\n  import a\nclass C:\n  import b\n  async def g(self):\n    async with x:\n\
                    \x20     import c\nif x:\n  import d\nelif y:\n  import e\nelse:\n  import f\n\
                    for x in y:\n  import g\nwhile x:\n  import h\nmatch x:\n  case 1:\n    import i\n";
        let expected = [
            "a:@2", "b:@4", "c:@7", "d:@9", "e:@11", "f:@13", "g:@15", "h:@17", "i:@20",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn what_may_be_missing() {
        let text = "try:\n  import a\nexcept ImportError:\n  import b\nelse:\n  import c\n\
                    if TYPE_CHECKING:\n  import d\nelse:\n  import e\nif typing.TYPE_CHECKING:\n  import f\n\
                    try:\n  import g\nfinally:\n  import h\ntry:\n  import i\nexcept OSError:\n  pass\n\
                    with suppress(ImportError):\n  import j\nimport f\n";
        let expected = [
            "a:@2?", "b:@4", "c:@6", "d:@8?", "e:@10", "f:@12", "g:@14", "h:@16", "i:@18", "j:@22?",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn calls_with_literal_names() {
        let text = "importlib.import_module('a.b')\nx = import_module(name='c')\n__import__('d')\n\
                    import_module('.e', package='p.q')\nimport_module('..f', __package__)\n\
                    import_module('.g', __name__)\n__import__('h', globals(), None, ['i'], 1)\n\
                    runpy.run_module('j')\nlambda: [import_module('k') for _ in y]\nf'{import_module(\"l\")}'\n\
                    import_module('m' 'n')\n";
        let expected = [
            "a.b:@1",
            "c:@2",
            "d:@3",
            "p.q.e:@4",
            "..f:@5",
            ".g:@6?",
            ".h:i@7",
            "j:@8",
            "j.__main__:@8",
            "k:@9",
            "l:@10",
            "mn:@11",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn calls_with_computed_names() {
        let text = "importlib.import_module(name)\n__import__(f'models.{x}')\n\
                    import_module('plugins.' + x)\nimport_module('a.%s' % x)\nimport_module('b.{}'.format(x))\n\
                    for m in pkgutil.iter_modules(p): pass\nimport_module('.x', package=y)\nrun_path(f)\n\
                    importlib.util.spec_from_file_location('m', path)\n\
                    lazy.attach(__name__, ['a'])\n";
        let found = imports(text.as_bytes()).dynamic;
        let shown: Vec<_> = found
            .iter()
            .map(|Dynamic { line, call, prefix }| format!("{line} {call} {prefix}"))
            .collect();
        let expected = [
            "1 importlib.import_module ",
            "2 __import__ models.",
            "3 import_module plugins.",
            "4 import_module a.",
            "5 import_module b.",
            "6 pkgutil.iter_modules ",
            "7 import_module ",
            "8 run_path ",
            "9 importlib.util.spec_from_file_location ",
            "10 lazy.attach ",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn all_paths_and_files() {
        let text = "__all__ = ['a', 'b']\n__all__ += ('c',)\n__all__: list = x.__all__ + ['d']\n\
                    __all__.extend(['e'])\n__all__.append('f')\nother = ['g']\nsys.path.append('lib')\n\
                    sys.path.insert(0, 'more')\nsys.path.insert(0, str(here))\nrunpy.run_path('x.py')\n\
                    exec(open('y.py').read())\nexec(Path('z.py').read_text())\n";
        let found = imports(text.as_bytes());
        assert_eq!(found.all, ["a", "b", "c", "d", "e", "f"]);
        let literal = |text: &str, line| Literal {
            text: text.to_owned(),
            line,
        };
        assert_eq!(found.roots, [literal("lib", 7), literal("more", 8)]);
        assert_eq!(
            found.files,
            [
                literal("x.py", 10),
                literal("y.py", 11),
                literal("z.py", 12)
            ]
        );
        assert_eq!(found.dynamic.len(), 1);
        assert_eq!(
            (found.dynamic[0].line, &*found.dynamic[0].call),
            (9, "sys.path.insert")
        );
    }

    #[test]
    fn what_cannot_be_parsed_says_where() {
        for (text, line) in [
            ("import a\nprint 'hello'\n", 2),
            ("import a\r\n\r\n{{ template }} x\r\n", 3),
            ("def f(:\n", 1),
            ("a = '\n", 1),
            ("x = 1\n\0\n", 2),
        ] {
            let found = imports(text.as_bytes());
            assert_eq!(
                found.fault.as_ref().map(|fault| fault.line),
                Some(line),
                "{text}"
            );
            assert!(found.imports.is_empty());
        }
        assert!(imports(&vec![b'\n'; LIMIT + 1]).fault.is_some());
    }

    #[test]
    fn encodings() {
        assert_eq!(imports(b"\xef\xbb\xbfimport a").imports.len(), 1);
        let latin = b"# coding: latin-1\nx = '\xe4'\nimport a\n";
        assert_eq!(imports(latin).imports.len(), 1);
    }

    #[test]
    fn nothing_is_nested_too_deep_to_be_refused() {
        let times = 50_000;
        let around = |open: &str, middle: &str, close: &str| {
            [
                &open.repeat(times),
                middle,
                &close.repeat(times),
                "\nimport a\n",
            ]
            .concat()
        };
        for text in [
            around("-", "1", ""),
            around("not ", "1", ""),
            around("1+", "1", ""),
            around("[", "", "]"),
            around("(", "1", ")"),
            around("[", "", ""),
            around("lambda:", "1", ""),
            around("f(", "", ")"),
            around("", "a", ".a"),
            around("", "a", "()"),
            around("", "a", "[0]"),
            around("", "1", " if x else 1"),
            around("{1:", "1", "}"),
            around("x=", "1", ""),
            around("", "x = 1 <", "1 <"),
            around("1**", "1", ""),
            around("await ", "1", ""),
            around("else if ", "1", ""),
        ] {
            // Whether it parses is the parser's business; that it comes back is ours.
            let found = imports(text.as_bytes());
            assert!(
                found.fault.is_some() || found.imports.len() == 1,
                "{}",
                &text[..20]
            );
        }
        let nested: String = (0..1000)
            .map(|depth| " ".repeat(depth) + "if x:\n")
            .collect();
        let found = imports((nested + &" ".repeat(1000) + "import a\n").as_bytes());
        assert_eq!((found.fault, found.imports.len()), (None, 1));
    }
}
