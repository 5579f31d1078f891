//! What must hold for any code: the closure depends on what is in it, and on nothing else.

use std::collections::BTreeSet;

use proptest::prelude::*;
use reproof_capture::NoCache;
use reproof_capture::closure::{ClosureOptions, Entry, closure};

use crate::python::{Layout, layouts};
use crate::{Code, Memory, paths};

fn code(layout: &Layout) -> Code {
    Code {
        files: layout.files.clone(),
        ..Code::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn edits_outside_change_nothing_and_edits_inside_do(layout in layouts()) {
        let original = code(&layout);
        let found = original.closure(&layout.command());
        let inside: BTreeSet<&str> = found.tree.files.iter().map(|f| f.path.as_str()).collect();
        for path in layout.files.keys() {
            let mut edited = code(&layout);
            // What stands outside may turn into anything; inside, one comment is enough.
            let text = if inside.contains(path.as_str()) {
                layout.files[path].clone() + "\n# edited\n"
            } else {
                "import everything, m0, m1\nthis is no Python".to_owned()
            };
            edited.files.insert(path.clone(), text);
            let digest = edited.closure(&layout.command()).tree.digest().unwrap();
            let same = digest == found.tree.digest().unwrap();
            prop_assert_eq!(same, !inside.contains(path.as_str()), "{}", path);
        }
    }

    #[test]
    fn nothing_but_the_closure_is_needed_to_find_it(layout in layouts()) {
        let found = code(&layout).closure(&layout.command());
        let mut less = layout.clone();
        less.files.retain(|path, _| found.followed.contains_key(path.as_str()));
        let again = code(&less).closure(&less.command());
        prop_assert_eq!(paths(&again), paths(&found));
    }

    #[test]
    fn a_cache_changes_nothing_and_spares_all_reading(layout in layouts()) {
        let code = code(&layout);
        let plain = code.closure(&layout.command());
        let memory = Memory::default();
        for _ in 0..2 {
            code.reads.set(0);
            let found = code.try_closure(&layout.command(), &memory, &ClosureOptions::default());
            prop_assert_eq!(&found.unwrap(), &plain);
        }
        prop_assert_eq!(code.reads.get(), 0);
    }

    #[test]
    fn the_order_of_options_changes_nothing(layout in layouts()) {
        let code = code(&layout);
        let tree = code.tree();
        let argv: Vec<String> = layout.command().split(' ').map(str::to_owned).collect();
        let entry = Entry::of_command(&argv, &tree, &code.links).unwrap();
        let of = |globs: &[&String]| {
            let options = ClosureOptions {
                globs: globs.iter().map(|glob| (*glob).clone()).collect(),
                roots: Vec::new(),
            };
            closure(&tree, &code, &NoCache, &entry, &options).unwrap().tree.digest().unwrap()
        };
        let globs: Vec<&String> = layout.files.keys().collect();
        let reversed: Vec<&String> = globs.iter().rev().copied().collect();
        prop_assert_eq!(of(&globs), of(&reversed));
    }
}
