//! Names that are used before they are defined, or never are.
//!
//! A notebook is read as one program, cell after cell. What stands in the way of being certain
//! switches the rule off from there on: names that may come from somewhere unseen.

use std::collections::{BTreeMap, BTreeSet};

use super::walk::{Event, Walker, What};
use super::{Finding, Rule};
use crate::notebook::magic::CellCode;

/// What Python and IPython define.
const KNOWN: &str = "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup \
     BlockingIOError BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError \
     ConnectionError ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError Ellipsis \
     EncodingWarning EnvironmentError Exception ExceptionGroup False FileExistsError FileNotFoundError \
     FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError \
     IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError \
     ModuleNotFoundError NameError None NotADirectoryError NotImplemented NotImplementedError OSError \
     OverflowError PendingDeprecationWarning PermissionError ProcessLookupError PythonFinalizationError \
     RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration \
     StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError True TypeError \
     UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError \
     UnicodeWarning UserWarning ValueError Warning WindowsError ZeroDivisionError abs aiter all anext \
     any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex copyright \
     credits delattr dict dir divmod enumerate eval exec exit filter float format frozenset getattr \
     globals hasattr hash help hex id input int isinstance issubclass iter len license list locals map \
     max memoryview min next object oct open ord pow print property quit range repr reversed round set \
     setattr slice sorted staticmethod str sum super tuple type vars zip \
     In Out display get_ipython original_ps1 execute";
/// Names that are everywhere, or in some place that is not told apart here.
const DUNDERS: &str = "__annotations__ __build_class__ __builtin__ __builtins__ __class__ __debug__ \
     __dict__ __doc__ __import__ __loader__ __main__ __module__ __name__ __package__ __path__ \
     __qualname__ __session__ __spec__ __vsc_ipynb_file__ __DW_SCOPE__ __conditional_annotations__";
/// How modules are imported by everybody under these names.
const ALIASES: [(&str, &str); 16] = [
    ("np", "import numpy as np"),
    ("pd", "import pandas as pd"),
    ("pl", "import polars as pl"),
    ("plt", "import matplotlib.pyplot as plt"),
    ("mpl", "import matplotlib as mpl"),
    ("sns", "import seaborn as sns"),
    ("tf", "import tensorflow as tf"),
    ("torch", "import torch"),
    ("nn", "from torch import nn"),
    ("os", "import os"),
    ("sys", "import sys"),
    ("re", "import re"),
    ("json", "import json"),
    ("time", "import time"),
    ("math", "import math"),
    ("Path", "from pathlib import Path"),
];

/// Whether a name is there without being defined.
pub(super) fn is_known(name: &str) -> bool {
    let is_history = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    KNOWN.split(' ').any(|known| known == name)
        || DUNDERS.split(' ').any(|known| known == name)
        || name.bytes().all(|byte| byte == b'_') && name.len() <= 3
        || name.strip_prefix('_').is_some_and(is_history)
        || name
            .strip_prefix('_')
            .map(|rest| rest.trim_start_matches('i'))
            .is_some_and(is_history)
        || matches!(name, "_dh" | "_oh" | "_ih" | "_sh" | "_exit_code" | "_")
}

/// A cell, in the order of the notebook: its number, what it is, its statements if it could be
/// parsed.
pub(super) struct Place<'n> {
    pub number: usize,
    pub code: &'n CellCode,
}

/// Looks at the names of a notebook. `walked` are the events of each cell.
pub(super) fn check(events: &[Event]) -> (Vec<Finding>, Option<String>) {
    let mut resolver = Resolver::new(events);
    for event in events {
        resolver.event(event);
    }
    resolver.end();
    let mut findings = resolver.findings;
    findings.sort_by_key(|finding| (finding.cell, finding.line));
    (findings, resolver.note)
}

/// The events of all cells: what the walker found, and what cell magics do. `given` is defined before.
pub(super) fn events_of<'s>(
    given: &BTreeSet<String>,
    cells: impl Iterator<Item = (Place<'s>, Option<(&'s str, &'s [ruff_python_ast::Stmt])>)>,
) -> Vec<Event> {
    let mut walker = Walker::default();
    for name in given {
        walker.define(name);
    }
    for (place, body) in cells {
        walker.begin(place.number);
        if let Some(name) = &place.code.defines {
            walker.define(name);
        }
        if let Some(magic) = &place.code.opaque {
            walker.opaque(magic);
        }
        match body {
            Some((text, body)) => walker.cell(text, body),
            None => walker.opaque("a cell that cannot be parsed"),
        }
    }
    walker.events
}

/// Where a name is defined.
type Where = (usize, u32);

struct Resolver<'e> {
    /// Where each name is bound, in order.
    all: BTreeMap<&'e str, Vec<Where>>,
    bound: BTreeSet<&'e str>,
    deleted: BTreeMap<&'e str, usize>,
    /// The global names that functions need as soon as they are called.
    needs: BTreeMap<&'e str, &'e [String]>,
    later: Vec<&'e Event>,
    reported: BTreeSet<String>,
    is_opaque: bool,
    note: Option<String>,
    findings: Vec<Finding>,
}

impl<'e> Resolver<'e> {
    fn new(events: &'e [Event]) -> Self {
        let mut all: BTreeMap<&str, Vec<Where>> = BTreeMap::new();
        for event in events {
            if let What::Bind(name) | What::Define { name, .. } = &event.what {
                all.entry(name).or_default().push((event.cell, event.line));
            }
        }
        Self {
            all,
            bound: BTreeSet::new(),
            deleted: BTreeMap::new(),
            needs: BTreeMap::new(),
            later: Vec::new(),
            reported: BTreeSet::new(),
            is_opaque: false,
            note: None,
            findings: Vec::new(),
        }
    }

    fn event(&mut self, event: &'e Event) {
        match &event.what {
            What::Bind(name) => {
                self.bound.insert(name);
                self.needs.remove(name.as_str());
            }
            What::Define { name, needs } => {
                self.bound.insert(name);
                self.needs.insert(name, needs);
            }
            What::Unbind(name) => {
                if self.bound.remove(name.as_str()) {
                    self.deleted.insert(name, event.cell);
                }
            }
            What::Load { name, certain } => self.load(name, *certain, None, event),
            What::Later { .. } => self.later.push(event),
            What::Call(name) => {
                for need in self.needs.get(name.as_str()).copied().unwrap_or_default() {
                    // What is defined nowhere is told where it stands.
                    if self.all.contains_key(need.as_str()) {
                        self.load(need, true, Some(name), event);
                    }
                }
            }
            What::Opaque(why) => {
                if !self.is_opaque {
                    self.note = Some(format!(
                        "from cell {} on names are not checked: {why} may define some that are not \
                         seen",
                        event.cell
                    ));
                }
                self.is_opaque = true;
            }
        }
    }

    fn load(&mut self, name: &'e str, certain: bool, caller: Option<&str>, event: &Event) {
        if self.bound.contains(name) || is_known(name) || self.is_opaque {
            return;
        }
        let places = self.all.get(name);
        let next = places.and_then(|places| {
            let mut later = places.iter();
            later.find(|place| **place > (event.cell, event.line))
        });
        let (rule, what, advice) = match (places, next, self.deleted.get(name)) {
            (_, _, Some(cell)) if certain => (
                Rule::UndefinedName,
                format!("'{name}' was deleted in cell {cell}"),
                format!("take out 'del {name}', or define it again before this use"),
            ),
            (Some(_), Some((cell, line)), None) if certain => {
                let needed = match caller {
                    Some(caller) => format!("'{caller}', called here, needs '{name}', which is"),
                    None => format!("'{name}' is used here and"),
                };
                let (place, advice) = if *cell == event.cell {
                    (
                        format!("in line {line} of this cell"),
                        format!("define '{name}' before it is used"),
                    )
                } else {
                    (
                        format!("in cell {cell}"),
                        format!("move what cell {cell} defines before this cell"),
                    )
                };
                let what = format!("{needed} defined only below, {place}");
                (Rule::UsedBeforeDefinition, what, advice)
            }
            (Some(_), None, None) if certain => (
                Rule::UsedBeforeDefinition,
                format!("'{name}' is used here to define '{name}', which is not defined before"),
                format!("define '{name}' in a cell before this one"),
            ),
            (None, ..) => (Rule::UndefinedName, never(name), advice(name)),
            _ => return,
        };
        self.report(rule, name, event, what, advice);
    }

    fn report(&mut self, rule: Rule, name: &str, at: &Event, what: String, advice: String) {
        if self.reported.insert(name.to_owned()) {
            self.findings
                .push(Finding::new(rule, Some(at.cell), at.line, what, advice));
        }
    }

    /// What functions use is looked for once all is defined.
    fn end(&mut self) {
        if self.is_opaque {
            return;
        }
        for event in std::mem::take(&mut self.later) {
            let What::Later { name, .. } = &event.what else {
                continue;
            };
            if !self.all.contains_key(name.as_str()) && !is_known(name) {
                self.report(Rule::UndefinedName, name, event, never(name), advice(name));
            }
        }
    }
}

fn never(name: &str) -> String {
    format!("'{name}' is defined nowhere in the notebook")
}

fn advice(name: &str) -> String {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    match (name, alias) {
        ("__file__", _) => {
            "a notebook has no '__file__': use a path relative to the notebook's folder".to_owned()
        }
        (_, Some((_, import))) => format!("add '{import}' in a cell before it"),
        _ => "define it in a cell before this use; it may have been left over from a cell that is \
              gone, or from another notebook"
            .to_owned(),
    }
}
