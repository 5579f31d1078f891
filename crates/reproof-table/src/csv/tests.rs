#![allow(clippy::disallowed_methods)] // The files that tests read are written plainly.

use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use proptest::prelude::*;
use reproof_store::fs::RealIo;

use super::*;
use crate::snapshot::put_snapshot;
use crate::storage::tests::scratch;
use crate::table::tests::{schema, table, tables};
use crate::{ColumnData, Table, read_table, write_table};

/// A store and a file beside it.
struct Scene {
    _folder: tempfile::TempDir,
    store: Store,
    path: PathBuf,
}

impl Scene {
    fn new(content: impl AsRef<[u8]>) -> Self {
        let (folder, store) = scratch();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, content).unwrap();
        Self {
            _folder: folder,
            store,
            path,
        }
    }

    fn snapshot_with(
        &self,
        options: &CsvOptions,
        pinned: Option<&Schema>,
        buffer_size: usize,
    ) -> Result<Snapshot, TableError> {
        let files = [SourceFile {
            path: self.path.clone(),
            inside: String::new(),
        }];
        let sources = Sources::new(&files)?;
        let io = self.store.io().as_ref();
        let source = CsvSource::new(io, &sources, options, buffer_size)?;
        let mut batch = self.store.batch();
        let plan = SnapshotOptions {
            pinned: pinned.cloned(),
            statistics: StatisticsLevel::None,
            ..SnapshotOptions::default()
        };
        let taken = take_from(&source, &mut batch, &plan)?;
        let taken = put_snapshot(&mut batch, taken)?;
        batch.commit()?;
        Ok(taken)
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshot_with(&CsvOptions::default(), None, BUFFER)
            .unwrap()
    }

    fn table(&self) -> Table {
        read_table(&self.store, &self.snapshot().stored.artifact.digest, None).unwrap()
    }

    /// The error, without the path.
    fn error(&self, pinned: Option<&Schema>) -> String {
        let taken = self.snapshot_with(&CsvOptions::default(), pinned, BUFFER);
        let error = taken.unwrap_err().to_string();
        error
            .strip_prefix(self.path.to_str().unwrap())
            .unwrap()
            .to_owned()
    }
}

fn strings(values: &[Option<&str>]) -> ColumnData {
    ColumnData::String(values.iter().copied().collect())
}

#[test]
fn every_type_is_read() {
    let scene = Scene::new(
        "flag,count,size,name,mixed,none\r\n\
         true,1,0.5,\"a, \"\"b\"\"\",1,\r\n\
         FALSE,-7,1e3,007,2.5,NA\r\n\
         ,NA,-0.0,\"x\ny\",NaN,\"\"\r\n",
    );
    let snapshot = scene.snapshot();
    assert_eq!(snapshot.rows, 3);
    assert_eq!(snapshot.missing, [1, 1, 0, 0, 1, 3]);
    let expect = table(vec![
        (
            "flag",
            ColumnData::Boolean(vec![Some(true), Some(false), None]),
        ),
        ("count", ColumnData::Integer(vec![Some(1), Some(-7), None])),
        ("size", ColumnData::Float(vec![0.5, 1000.0, 0.0])),
        (
            "name",
            strings(&[Some("a, \"b\""), Some("007"), Some("x\ny")]),
        ),
        ("mixed", ColumnData::Float(vec![1.0, 2.5, f64::NAN])),
        ("none", strings(&[None, None, None])),
    ]);
    assert_eq!(scene.table(), expect);
    assert_eq!(&snapshot.schema, expect.schema());
    let io = scene.store.io().as_ref();
    let alone = csv_schema(io, &scene.path, &CsvOptions::default()).unwrap();
    assert_eq!(alone, snapshot.schema);
}

/// The first rows tell of nothing but what all rows do.
#[test]
fn what_comes_late_counts_as_much() {
    let long = |first: &str, last: &str| {
        let rows: String = (0..40).map(|_| format!("{first},x\n")).collect();
        format!("a,b\n{rows}{last},x\n")
    };
    for (first, last, expect) in [
        ("1", "2", LogicalType::Integer),
        ("1", "2.5", LogicalType::Float),
        ("1", "x", LogicalType::String),
        ("1", "true", LogicalType::String),
        ("1", "", LogicalType::Integer),
        ("1.5", "2", LogicalType::Float),
        ("1.5", "007", LogicalType::String),
        ("x", "1", LogicalType::String),
        ("", "1", LogicalType::Integer),
        ("", "2024-02-29", LogicalType::Date),
        ("", "", LogicalType::String),
        ("true", "1", LogicalType::String),
        ("2024-02-29", "2023-02-29", LogicalType::String),
        ("2024-02-29", "2024-02-29T10:00:00", LogicalType::String),
        (
            "2024-02-29T10:00:00",
            "2024-02-29T10:00:00Z",
            LogicalType::String,
        ),
    ] {
        let scene = Scene::new(long(first, last));
        let snapshot = scene.snapshot();
        let found = snapshot.schema.columns()[0].logical_type;
        assert_eq!(found, expect, "{first} … {last}");
        assert_eq!(snapshot.rows, 41);
        // All values, read first, tell the same.
        let io = scene.store.io().as_ref();
        let alone = csv_schema(io, &scene.path, &CsvOptions::default()).unwrap();
        assert_eq!(alone, snapshot.schema, "{first} … {last}");
        let mut batch = scene.store.batch();
        let written = write_table(&mut batch, &scene.table()).unwrap();
        assert_eq!(written, snapshot.stored);
    }
    let scene = Scene::new(long("9007199254740993", "0.5"));
    assert!(scene.error(None).starts_with(":2: column 'a' holds floats"));
    let scene = Scene::new(long("1", "9223372036854775808"));
    assert!(
        scene
            .error(None)
            .starts_with(":42: column 'a' holds integers")
    );
    let scene = Scene::new(format!("{}1\n", long("1", "2")));
    let told = scene.error(None);
    assert!(told.starts_with(":43: "), "{told}");
}

#[test]
fn a_snapshot_has_the_identity_of_its_table() {
    let scene = Scene::new("a,b\n1,x\n2.5,\n");
    let snapshot = scene.snapshot();
    let content = std::fs::read(&scene.path).unwrap();
    assert_eq!(snapshot.digests, [Digest::of(&content)]);
    let mut batch = scene.store.batch();
    let written = write_table(&mut batch, &scene.table()).unwrap();
    assert_eq!(written, snapshot.stored);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Rows that compress badly, so that the compressed file is longer than the buffers.
fn long_file() -> String {
    let hash = |row: u64| crate::random::u64_at(1, 2, row);
    let rows = (0..20_000).map(|row| format!("{row},{:x},2024-01-0{}\n", hash(row), row % 9 + 1));
    format!("row,text,day\n{}", rows.collect::<String>())
}

#[test]
fn a_compressed_file_is_the_same_table() {
    let text = long_file();
    let plain = Scene::new(&text).snapshot();
    assert_eq!(plain.schema.columns()[2].logical_type, LogicalType::Date);
    let (head, tail) = text.as_bytes().split_at(300_001);
    let members = [gzip(head), gzip(tail)].concat();
    let frames = [zstd(head), zstd(tail)].concat();
    for bytes in [
        gzip(text.as_bytes()),
        zstd(text.as_bytes()),
        members,
        frames,
    ] {
        let taken = Scene::new(&bytes).snapshot();
        assert_eq!(taken.stored, plain.stored);
        assert_eq!(taken.digests, [Digest::of(&bytes)]);
    }
}

#[test]
fn damaged_compression_is_named_and_is_no_trouble_of_the_storage() {
    let text = long_file();
    for (bytes, name) in [
        (gzip(text.as_bytes()), "gzip"),
        (zstd(text.as_bytes()), "zstd"),
    ] {
        let begin = format!(": the file is compressed with {name} and cannot be unpacked: ");
        let cut = Scene::new(&bytes[..bytes.len() - 100]).error(None);
        assert!(cut.starts_with(&begin), "{cut}");
        let more = Scene::new([&bytes[..], b"more"].concat()).error(None);
        assert!(more.starts_with(&begin), "{more}");
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 0x55;
        let changed = Scene::new(changed).snapshot_with(&CsvOptions::default(), None, BUFFER);
        assert!(changed.is_err());
    }
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let snapshot = Scene::new("a,b").snapshot();
    assert_eq!(snapshot.rows, 0);
    assert_eq!(
        snapshot.schema,
        schema(&[("a", LogicalType::String), ("b", LogicalType::String)])
    );
}

#[test]
fn files_that_are_no_tables_are_named_by_line() {
    let check = |content: &[u8], expect: &str| {
        let error = Scene::new(content).error(None);
        assert!(error.starts_with(expect), "{error}");
    };
    check(b"", ":1: the file is empty");
    check(b"\xef\xbb\xbf\n\n", ":1: the file is empty");
    check(
        b"a,b\n1,2\n\"x\ny\",2\n3\n",
        ":5: 1 fields where the header has 2",
    );
    check(b"a\n1,2\n", ":2: 2 fields where the header has 1");
    check(b"a,b,a\n", ":1: columns 1 and 3 are both named 'a'");
    check(b"a,,b\n", ":1: column 2 has no name");
    check(b"a\n1\n\xe9\n", ":3: the text is not UTF-8");
    check(b"a\n1\n\"x\n", ":3: a quoted field begins");
    check(b"a\n\"x\"y\n", ":2: field 1 goes on");
    check(
        b"a\n1\n9223372036854775808\n",
        ":3: column 'a' holds integers",
    );
    check(b"a\n0.5\n9007199254740993\n", ":3: column 'a' holds floats");
    check(b"a\n1e999\n", ":2: column 'a' holds floats");
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_storage() {
    let scene = Scene::new("a\n");
    std::fs::remove_file(&scene.path).unwrap();
    let error = scene
        .snapshot_with(&CsvOptions::default(), None, BUFFER)
        .unwrap_err();
    assert!(matches!(error, TableError::Store(_)), "{error}");
    assert!(error.to_string().contains("data.csv"), "{error}");
}

#[test]
fn delimiters_and_null_tokens_are_options() {
    let options = CsvOptions {
        delimiter: b';',
        null_tokens: vec!["?".to_owned(), "-999".to_owned()],
    };
    let scene = Scene::new("a;b\n1,5;-999\nNA;2\n?;3\n;4\n");
    let taken = scene.snapshot_with(&options, None, BUFFER).unwrap();
    let read = read_table(&scene.store, &taken.stored.artifact.digest, None).unwrap();
    let expect = table(vec![
        ("a", strings(&[Some("1,5"), Some("NA"), None, Some("")])),
        (
            "b",
            ColumnData::Integer(vec![None, Some(2), Some(3), Some(4)]),
        ),
    ]);
    assert_eq!(read, expect);
    for delimiter in *b"\"\n\r\xff" {
        let options = CsvOptions {
            delimiter,
            ..CsvOptions::default()
        };
        assert!(scene.snapshot_with(&options, None, BUFFER).is_err());
    }
}

#[test]
fn pinned_types_hold() {
    let scene = Scene::new("a,b,c\n1,2,3\n,5,0.5\n");
    let pinned = schema(&[
        ("gone", LogicalType::Boolean),
        ("a", LogicalType::Float),
        ("b", LogicalType::String),
    ]);
    let options = CsvOptions::default();
    let taken = scene
        .snapshot_with(&options, Some(&pinned), BUFFER)
        .unwrap();
    let types: Vec<_> = taken
        .schema
        .columns()
        .iter()
        .map(|c| c.logical_type)
        .collect();
    assert_eq!(
        types,
        [LogicalType::Float, LogicalType::String, LogicalType::Float]
    );
    // With all types pinned the file is read once: the same identity.
    let all = taken.schema.clone();
    assert_eq!(
        scene.snapshot_with(&options, Some(&all), BUFFER).unwrap(),
        taken
    );

    let check = |content: &str, pin: LogicalType, expect: &str| {
        let scene = Scene::new(content);
        let error = scene.error(Some(&schema(&[("a", pin)])));
        assert!(error.starts_with(expect), "{error}");
        // With another column, that is not pinned, types are decided, too.
        let wider = content.replace('\n', ",b\n");
        let error = Scene::new(wider).error(Some(&schema(&[("a", pin)])));
        assert!(error.starts_with(expect), "{error}");
    };
    check(
        "a\n1\n2.5\n",
        LogicalType::Integer,
        ":3: column 'a' is pinned to the type integer, and '2.5' is of type float",
    );
    check(
        "a\nx\n",
        LogicalType::Float,
        ":2: column 'a' is pinned to the type float, and 'x' is of type string",
    );
    check(
        "a\ntrue\n1\n",
        LogicalType::Boolean,
        ":3: column 'a' is pinned to the type boolean, and '1' is of type integer",
    );
    check(
        "a\n9223372036854775808\n",
        LogicalType::Integer,
        ":2: column 'a' holds integers",
    );
    check(
        "a\n9007199254740993\n",
        LogicalType::Float,
        ":2: column 'a' holds floats",
    );
    check(
        "a\n1e400\n",
        LogicalType::Float,
        ":2: column 'a' holds floats",
    );
}

/// Whichever call fails: an error that names what was tried, and nothing left behind.
#[test]
fn a_call_that_fails_is_an_error_and_leaves_nothing() {
    use std::sync::Arc;

    use reproof_store::{Fault, FaultIo};

    let scene = Scene::new("a,b\n1,x\n2.5,\n");
    let attempt = |fault: Option<Fault>| {
        let io = FaultIo::new(Arc::new(RealIo), fault);
        let store = Store::open_existing(scene.store.root(), Arc::new(io.clone()));
        let taken = store.map_err(TableError::from).and_then(|store| {
            let mut batch = store.batch();
            snapshot_csv(
                &store,
                &mut batch,
                &scene.path,
                &CsvOptions::default(),
                None,
            )
        });
        (taken, io.calls())
    };
    let (taken, calls) = attempt(None);
    taken.unwrap();
    assert!(calls > 5);
    for at in 1..=calls {
        let (taken, _) = attempt(Some(Fault {
            at,
            dead: false,
            kind: io::ErrorKind::StorageFull,
            writes_only: false,
        }));
        let left = std::fs::read_dir(scene.store.temp_dir()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
        // Where a file cannot be removed, it stays.
        let removable = match taken {
            // What fails while the store is opened, or the batch dropped, harms nobody.
            Ok(_) => false,
            Err(TableError::Store(error)) => {
                let error = error.to_string();
                assert!(error.starts_with("failed to "), "{error}");
                !error.contains("failed to remove")
            }
            Err(other) => panic!("call {at}: {other}"),
        };
        assert!(left.is_empty() || !removable, "call {at} left {left:?}");
        for path in left {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// A file system in which the file is another one each time it is read from its start.
mod changing {
    use std::ffi::OsString;
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use reproof_store::fs::{
        DirEntry, Facts, FileLock, Io, IoError, LockKind, ReadFile, WriteFile,
    };

    use super::*;

    /// What is read next, and after it.
    type Versions = Arc<Mutex<Vec<&'static str>>>;

    #[derive(Debug)]
    struct File {
        versions: Versions,
        current: Cursor<&'static [u8]>,
    }

    impl io::Read for File {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            io::Read::read(&mut self.current, buffer)
        }
    }

    impl Seek for File {
        fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
            assert_eq!(position, SeekFrom::Start(0));
            let next = self.versions.lock().unwrap().remove(0);
            self.current = Cursor::new(next.as_bytes());
            Ok(0)
        }
    }

    impl ReadFile for File {
        fn facts(&self) -> Result<Facts, IoError> {
            Err(IoError::new(
                "stat",
                Path::new("file"),
                io::ErrorKind::Unsupported.into(),
            ))
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[derive(Debug)]
    struct Changing {
        inner: RealIo,
        versions: Versions,
    }

    impl Io for Changing {
        fn lock(&self, path: &Path, kind: LockKind) -> Result<Option<FileLock>, IoError> {
            self.inner.lock(path, kind)
        }

        fn open_read(&self, path: &Path) -> Result<Box<dyn ReadFile>, IoError> {
            if path == Path::new("file") {
                return Ok(Box::new(File {
                    versions: Arc::clone(&self.versions),
                    current: Cursor::new(&[]),
                }));
            }
            self.inner.open_read(path)
        }
        fn create_new(&self, path: &Path) -> Result<Box<dyn WriteFile>, IoError> {
            self.inner.create_new(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
            self.inner.rename(from, to)
        }
        fn remove_file(&self, path: &Path) -> Result<(), IoError> {
            self.inner.remove_file(path)
        }
        fn remove_dir(&self, path: &Path) -> Result<(), IoError> {
            self.inner.remove_dir(path)
        }
        fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
            self.inner.create_dir_all(path)
        }
        fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
            self.inner.sync_dir(path)
        }
        fn metadata(&self, path: &Path) -> Result<Facts, IoError> {
            self.inner.metadata(path)
        }
        fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, IoError> {
            self.inner.read_dir(path)
        }
        fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
            self.inner.read_link(path)
        }
        fn canonicalize(&self, path: &Path) -> Result<PathBuf, IoError> {
            self.inner.canonicalize(path)
        }
        fn read_dir_facts(&self, path: &Path) -> Result<Vec<(OsString, Facts)>, IoError> {
            self.inner.read_dir_facts(path)
        }
        fn symlink(&self, target: &Path, link: &Path) -> Result<(), IoError> {
            self.inner.symlink(target, link)
        }
        fn is_shared(&self, path: &Path) -> Result<bool, IoError> {
            self.inner.is_shared(path)
        }
        fn set_mode(&self, path: &Path, mode: u32) -> Result<(), IoError> {
            self.inner.set_mode(path, mode)
        }
        fn set_mtime(&self, path: &Path, seconds: i64) -> Result<(), IoError> {
            self.inner.set_mtime(path, seconds)
        }
    }

    /// The file as each reading sees it.
    fn take(versions: &[&'static str]) -> Result<Snapshot, TableError> {
        let folder = tempfile::tempdir().unwrap();
        let io = Changing {
            inner: RealIo,
            versions: Arc::new(Mutex::new(versions.to_vec())),
        };
        let store = Store::open(folder.path(), Arc::new(io)).unwrap();
        let options = CsvOptions::default();
        snapshot_csv(
            &store,
            &mut store.batch(),
            Path::new("file"),
            &options,
            None,
        )
    }

    #[test]
    fn a_file_that_changes_between_the_readings_is_an_error() {
        // The header, the first rows, and all that is encoded by what they tell.
        let [one, text] = ["a\n1\n", "a\nx\n"];
        assert!(take(&[one, one, one]).is_ok());
        assert!(take(&[one, one, text, text, text]).is_ok());
        assert!(take(&[one, one, text, one, one]).is_ok());
        // The header, no first rows that tell anything, all for the types, all to be encoded.
        assert!(take(&[one, "", one, one]).is_ok());
        for [header, survey, encoded] in [
            ["b\n1\n", "a\n1\n", "a\n1\n"],
            ["a\n1\n", "a\n1\n", "a\n2\n"],
            ["a\n1\n", "a\n1\n", "a\nx\n"],
            ["a\n1\n", "a\n1\n", "a\n1\n2\n"],
            ["a\n1\n", "a\n1\n", "a,b\n1,2\n"],
            ["a\n1\n", "a\n1\n", "a\n1,2\n"],
            ["a\n1\n", "a\n1\n", ""],
            ["a\n1\n", "a\n1\n", "a\n\"1\n"],
        ] {
            let versions = [header, "", survey, encoded];
            let error = take(&versions).unwrap_err().to_string();
            assert!(
                error.contains("changed while it was read"),
                "{versions:?}: {error}"
            );
        }
    }
}

#[test]
fn very_wide_tables_are_encoded_in_several_readings() {
    let width = COLUMNS_AT_ONCE * 2 + 3;
    let join =
        |value: &dyn Fn(usize) -> String| (0..width).map(value).collect::<Vec<_>>().join(",");
    let header = join(&|column| format!("c{column}"));
    let row = join(&|column| column.to_string());
    let scene = Scene::new(format!("{header}\n{row}\n{row}\n"));
    let table = scene.table();
    assert_eq!((table.rows(), table.columns().len()), (2, width));
    for (column, data) in table.columns().iter().enumerate() {
        let value = Some(i64::try_from(column).unwrap());
        assert_eq!(data, &ColumnData::Integer(vec![value, value]));
    }
}

/// The table as a CSV file: always quoted or only where needed, with these line breaks.
fn write_csv(table: &Table, always_quoted: bool, line_break: &str, delimiter: char) -> String {
    let quote = |text: &str| {
        let needed = text.contains([delimiter, '"', '\n', '\r']);
        if always_quoted || needed || table.columns().len() == 1 {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let names = table
        .schema()
        .columns()
        .iter()
        .map(|column| quote(&column.name));
    let mut lines = vec![names.collect::<Vec<_>>().join(&delimiter.to_string())];
    for row in 0..table.rows() {
        let fields = table.columns().iter().map(|column| match column {
            // With an exponent, so that a whole number is no integer that a double rounds.
            ColumnData::Float(values) if !values[row].is_nan() => {
                quote(&format!("{:e}", values[row]))
            }
            other => quote(&other.text(row).unwrap_or_default()),
        });
        lines.push(fields.collect::<Vec<_>>().join(&delimiter.to_string()));
    }
    lines.join(line_break)
}

/// Tables whose texts a CSV file gives back: finite numbers, and no text that is a null token.
fn plain_tables() -> impl Strategy<Value = Table> {
    tables().prop_map(|whole| {
        let columns = whole.schema().columns().iter().zip(whole.columns());
        let columns = columns.map(|(column, data)| {
            let data = match data {
                ColumnData::Float(values) => {
                    let finite = |value: &f64| if value.is_infinite() { 0.5 } else { *value };
                    ColumnData::Float(values.iter().map(finite).collect())
                }
                ColumnData::String(values) => {
                    let text = |text: &str| format!("{text}\",\r\n'");
                    ColumnData::String(values.iter().map(|value| value.map(text)).collect())
                }
                other => other.clone(),
            };
            (column.name.as_str(), data)
        });
        table(columns.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the quoting, line breaks, delimiter and buffer size: the same table.
    #[test]
    fn identity_does_not_depend_on_how_the_file_is_written(
        whole in plain_tables(),
        buffer_size in 1_usize..300,
        always_quoted in any::<bool>(),
        line_break in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        mark in any::<bool>(),
    ) {
        let mut text = write_csv(&whole, always_quoted, line_break, delimiter);
        if mark {
            text.insert(0, '\u{feff}');
        }
        let scene = Scene::new(text);
        let options = CsvOptions { delimiter: delimiter as u8, ..CsvOptions::default() };
        let pinned = Some(whole.schema());
        let taken = scene.snapshot_with(&options, pinned, buffer_size).unwrap();
        let read = read_table(&scene.store, &taken.stored.artifact.digest, None).unwrap();
        prop_assert_eq!(&read, &whole);
        let mut batch = scene.store.batch();
        prop_assert_eq!(write_table(&mut batch, &whole).unwrap(), taken.stored);
    }

    /// Types decided over the file do not depend on the buffer either.
    #[test]
    fn decided_types_do_not_depend_on_the_buffer(
        values in prop::collection::vec(
            prop::sample::select(vec!["1", "2.5", "x", "true", "", "NA", "-3", "\"a\nb\""]),
            1..20,
        ),
        buffer_size in 1_usize..40,
    ) {
        let scene = Scene::new(format!("a,b\n{}", values.join(",0\n") + ",1"));
        let options = CsvOptions::default();
        let taken = scene.snapshot_with(&options, None, buffer_size).unwrap();
        prop_assert_eq!(taken, scene.snapshot());
    }
}
