//! What IPython adds to Python: magics, shell commands, help.
//!
//! Lines (`%name`, `!command`, `name?`) are left to the parser, which knows them. A cell magic
//! (`%%name`) decides what the whole cell is.

/// Cell magics whose cells are Python, run in the notebook's own namespace.
const PYTHON: [&str; 8] = [
    "time", "timeit", "capture", "prun", "memit", "mprun", "scalene", "snakeviz",
];
/// Cell magics whose cells define nothing in the notebook.
const SILENT: [&str; 22] = [
    "!",
    "HTML",
    "SVG",
    "bash",
    "cmd",
    "file",
    "html",
    "javascript",
    "js",
    "latex",
    "markdown",
    "perl",
    "pypy",
    "python",
    "python2",
    "python3",
    "ruby",
    "script",
    "sh",
    "svg",
    "system",
    "writefile",
];
/// Line magics that define nothing in the notebook.
const HARMLESS: &[&str] = &[
    "alias",
    "automagic",
    "autoreload",
    "bookmark",
    "cat",
    "cd",
    "colors",
    "conda",
    "config",
    "cp",
    "dhist",
    "dirs",
    "doctest_mode",
    "env",
    "gui",
    "hist",
    "history",
    "ldir",
    "less",
    "lf",
    "lk",
    "ll",
    "load_ext",
    "logoff",
    "logon",
    "logstart",
    "logstate",
    "logstop",
    "lprun",
    "ls",
    "lsmagic",
    "lx",
    "magic",
    "mamba",
    "man",
    "matplotlib",
    "memit",
    "micromamba",
    "mkdir",
    "more",
    "mprun",
    "mv",
    "notebook",
    "page",
    "pdb",
    "pdef",
    "pdoc",
    "pfile",
    "pinfo",
    "pinfo2",
    "pip",
    "popd",
    "pprint",
    "precision",
    "prun",
    "psearch",
    "psource",
    "pushd",
    "pwd",
    "pycat",
    "quickref",
    "reload_ext",
    "reproof",
    "rm",
    "rmdir",
    "save",
    "set_env",
    "snakeviz",
    "sx",
    "system",
    "tb",
    "tensorboard",
    "timeit",
    "unalias",
    "unload_ext",
    "uv",
    "watermark",
    "who",
    "who_ls",
    "whos",
    "xmode",
];

/// What a code cell is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CellCode {
    /// Its Python, line for line as in the cell; empty if it is something else.
    pub text: String,
    /// Whether it may define names that are not seen in it.
    pub opaque: Option<String>,
    /// A name that its magic defines.
    pub defines: Option<String>,
    /// The shell commands that it is: the line and the command.
    pub shell: Vec<(u32, String)>,
}

/// What the text of a code cell is.
pub(super) fn of_cell(source: &str) -> CellCode {
    let mut code = CellCode {
        text: String::new(),
        opaque: None,
        defines: None,
        shell: Vec::new(),
    };
    let mut lines = source.split_inclusive('\n');
    let mut before = 0;
    let first = lines.by_ref().find(|line| {
        let blank = line.trim().is_empty();
        before += usize::from(blank);
        !blank
    });
    let Some(magic) = first.and_then(|line| line.strip_prefix("%%")) else {
        source.clone_into(&mut code.text);
        return code;
    };
    let (name, arguments) = split(magic);
    if PYTHON.contains(&name) {
        code.text = "\n".repeat(before + 1);
        code.text.extend(lines);
        if name == "capture" {
            let mut words = arguments.split_whitespace();
            let named = words.find(|word| !word.starts_with('-'));
            code.defines = named.map(str::to_owned);
        }
    } else if matches!(name, "bash" | "sh" | "script" | "system" | "!" | "cmd") {
        let first = before as u32 + 2;
        let commands = lines.zip(first..).map(|(line, at)| (at, line.trim()));
        let commands = commands.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        code.shell = commands.map(|(at, line)| (at, line.to_owned())).collect();
    }
    let silent = SILENT.contains(&name) && !arguments.contains("--");
    if !silent && !PYTHON.contains(&name) {
        code.opaque = Some(format!("%%{name}"));
    }
    code
}

/// The name of a magic, and the rest of its line.
pub(super) fn split(magic: &str) -> (&str, &str) {
    let magic = magic.trim();
    let (name, rest) = magic.split_once(char::is_whitespace).unwrap_or((magic, ""));
    (name, rest.trim())
}

/// What a line magic does to the names of a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect<'m> {
    /// Nothing.
    None,
    /// It runs this Python in the notebook's namespace.
    Runs(&'m str),
    /// It may define names that are not seen.
    Opaque(&'m str),
}

/// What the line magic of this text, without its `%`, does.
pub(crate) fn effect(magic: &str) -> Effect<'_> {
    let (name, arguments) = split(magic);
    match name {
        "time" => Effect::Runs(arguments),
        _ if HARMLESS.contains(&name) => Effect::None,
        _ => Effect::Opaque(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cells_are() {
        assert_eq!(of_cell("x = 1\n%%time").text, "x = 1\n%%time");
        assert_eq!(of_cell("\n%%time\nx = 1\n").text, "\n\nx = 1\n");
        let capture = of_cell("%%capture --no-stderr out\nf()");
        assert_eq!(capture.defines.as_deref(), Some("out"));
        assert_eq!((capture.text.as_str(), capture.opaque), ("\nf()", None));
        let bash = of_cell("%%bash\n# all\npip install x\n");
        assert_eq!(bash.shell, [(3, "pip install x".to_owned())]);
        assert_eq!((bash.text.as_str(), bash.opaque), ("", None));
        assert_eq!(of_cell("%%html\n<b>").opaque, None);
        assert_eq!(of_cell("%%bash --out x\nls").opaque.unwrap(), "%%bash");
        assert_eq!(
            of_cell("%%cython\ndef f(): pass").opaque.unwrap(),
            "%%cython"
        );
        assert_eq!(of_cell("").text, "");
    }

    #[test]
    fn what_lines_do() {
        assert_eq!(effect("time x = 1"), Effect::Runs("x = 1"));
        assert_eq!(effect("matplotlib inline"), Effect::None);
        assert_eq!(effect("run other.py"), Effect::Opaque("run"));
    }
}
