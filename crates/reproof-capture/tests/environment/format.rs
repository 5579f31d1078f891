//! The documents in the page of the format are read, and written as they stand there.

use reproof_capture::environment::{
    ClosureDescription, EnvironmentError, EnvironmentSpec, PythonSpec, Requirements, SystemSpec,
};

/// The texts of the page's blocks, a line each.
fn documents() -> Vec<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/formats/environment.md"
    );
    let page = std::fs::read_to_string(path).unwrap();
    let blocks = page.split("```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.strip_prefix("text\n"));
    blocks
        .flat_map(|block| block.lines().map(str::to_owned))
        .collect()
}

#[test]
fn specifications() {
    let hash = "0123456789abcdef".repeat(4);
    let text = format!("six==1.17.0 ; python_version < '3.12' --hash=sha256:{hash}\n");
    let python = EnvironmentSpec::Python(PythonSpec {
        python: Some("3.11.7".parse().unwrap()),
        requirements: Requirements::parse(&text).unwrap().requirements,
        platform: "x86_64-linux-gnu".to_owned(),
        allow_builds: false,
    });
    let system = EnvironmentSpec::System(SystemSpec {
        programs: vec!["sort".to_owned(), "awk".to_owned()],
        extra: vec!["/etc/os-release".to_owned()],
        platform: "x86_64-linux-gnu".to_owned(),
    });
    let documents = documents();
    for (spec, lines) in [python, system].iter().zip(documents.chunks(2)) {
        assert_eq!(spec.digest().unwrap().to_hex(), lines[0]);
        assert_eq!(
            String::from_utf8(spec.to_bytes().unwrap()).unwrap(),
            lines[1]
        );
    }
}

#[test]
fn descriptions() {
    let line = documents().pop().unwrap();
    let read = ClosureDescription::from_bytes(line.as_bytes()).unwrap();
    assert_eq!(read.packages["six"].version, "1.17.0");
    assert_eq!(read.left_out["test suites"].files, 2);
    assert_eq!(read.to_bytes().unwrap(), line.as_bytes());
    let later = line.replace("reproof.closure/1", "reproof.closure/2");
    let refused = ClosureDescription::from_bytes(later.as_bytes()).unwrap_err();
    assert!(
        matches!(refused, EnvironmentError::Format { .. }),
        "{refused}"
    );
    let spaced = ClosureDescription::from_bytes(line.replace(':', ": ").as_bytes());
    assert!(matches!(spaced, Err(EnvironmentError::Canonical(_))));
}
