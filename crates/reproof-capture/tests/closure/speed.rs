//! How long a closure takes. Run with `cargo test --release -- --ignored --nocapture`.

use std::time::Instant;

use reproof_capture::closure::{ClosureOptions, FileImports, ImportCache};

use crate::{Code, Memory};

/// 1,000 modules in 50 packages, each of which imports twelve others, and a tree of 20,000 files
/// around them.
fn large() -> Code {
    let mut code = Code::default();
    for package in 0..50 {
        code.files.insert(
            format!("src/pkg{package}/__init__.py"),
            "import os\n".to_owned(),
        );
        for module in 0..20 {
            let mut text = String::from("import os, sys, numpy as np, pandas\nfrom . import m0\n");
            for other in 0..10 {
                let (p, m) = ((package + other * 7 + 1) % 50, (module + other) % 20);
                text += &format!("from pkg{p}.m{m} import f{other}\n");
            }
            for function in 0..30 {
                text += &format!(
                    "def f{function}(x, y):\n    return [x + {function} for _ in range(y)]\n"
                );
            }
            code.files.insert(
                format!("src/pkg{package}/m{module}.py"),
                text + &format!("# {package}\n"),
            );
        }
    }
    for file in 0..19_000 {
        code.files
            .insert(format!("other/d{}/f{file}.txt", file % 100), String::new());
    }
    let main: String = (0..20)
        .map(|module| format!("import pkg0.m{module}\n"))
        .collect();
    code.files.insert("train.py".to_owned(), main);
    code
}

/// Gives what it has, without JSON.
struct Ready(std::collections::BTreeMap<reproof_record::Digest, FileImports>);

impl ImportCache for Ready {
    fn get(
        &self,
        files: &[reproof_record::Digest],
    ) -> std::collections::BTreeMap<reproof_record::Digest, FileImports> {
        let pick = |file: &reproof_record::Digest| Some((*file, self.0.get(file)?.clone()));
        files.iter().filter_map(pick).collect()
    }

    fn put(&self, _imports: &[(reproof_record::Digest, FileImports)]) {}
}

#[test]
#[ignore = "a measurement"]
fn a_thousand_files() {
    let code = large();
    let memory = Memory::default();
    let tree = code.tree();
    let options = ClosureOptions::default();
    let argv = ["python".to_owned(), "train.py".to_owned()];
    let entry = reproof_capture::closure::Entry::of_command(&argv, &tree, &code.links).unwrap();
    let time = |what: &str, cache: &dyn ImportCache, rounds: u32| {
        let start = Instant::now();
        let mut files = 0;
        for _ in 0..rounds {
            let found =
                reproof_capture::closure::closure(&tree, &code, cache, &entry, &options).unwrap();
            files = found.tree.files.len();
        }
        println!("{what}: {:?} for {files} files", start.elapsed() / rounds);
        assert_eq!(files, 1051);
    };
    time("parsed", &memory, 1);
    time("cached as JSON", &memory, 50);
    let known = memory.0.lock().unwrap();
    let parsed = known
        .iter()
        .map(|(file, text)| (*file, serde_json::from_str(text).unwrap()));
    let ready = Ready(parsed.collect());
    drop(known);
    time("cached", &ready, 50);
}
