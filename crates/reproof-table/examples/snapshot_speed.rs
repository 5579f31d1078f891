//! How fast a CSV file becomes a table: 20 columns, half of them numeric, 200 MB unless another
//! size is given. `cargo run --release -p reproof-table --example snapshot_speed [MEGABYTES | FILE]`

#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use reproof_store::Store;
use reproof_store::fs::RealIo;
use reproof_table::random::u64_at;
use reproof_table::{CsvOptions, FileFormat, SnapshotOptions, StatisticsLevel, snapshot_file};

type Failure = Box<dyn std::error::Error>;

const WORDS: [&str; 8] = [
    "Month-to-month",
    "One year",
    "Two year",
    "Fiber optic",
    "DSL",
    "No internet service",
    "Yes",
    "No",
];

fn main() -> Result<(), Failure> {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "200".to_owned());
    let folder = tempfile::tempdir()?;
    let path = match argument.parse::<usize>() {
        Ok(megabytes) => generate(folder.path(), megabytes * 1_000_000)?,
        Err(_) => PathBuf::from(argument),
    };
    let size = std::fs::metadata(&path)?.len() as f64 / 1e6;
    let begin = Instant::now();
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(&path)?, &mut hasher)?;
    let yardstick = size / 1e3 / begin.elapsed().as_secs_f64();

    let store = Store::open(&folder.path().join("store"), Arc::new(RealIo))?;
    let schema = reproof_table::csv_schema(&RealIo, &path, &CsvOptions::default())?;
    for (name, pinned) in [("types decided", None), ("types pinned", Some(schema))] {
        for level in [
            StatisticsLevel::None,
            StatisticsLevel::Basic,
            StatisticsLevel::Full,
        ] {
            let wanted = SnapshotOptions {
                pinned: pinned.clone(),
                statistics: level,
                ..SnapshotOptions::default()
            };
            let mut batch = store.batch();
            let (begin, cpu) = (Instant::now(), cpu_seconds());
            let format = FileFormat::Csv(CsvOptions::default());
            let taken = snapshot_file(&store, &mut batch, &path, &format, &wanted)?;
            let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            println!(
                "{name}, statistics {level:?}: {size:.0} MB, {} rows x {} in {wall:.2} s: \
                 {:.0} MB/s, {:.0} MB per s of CPU",
                taken.rows,
                taken.schema.columns().len(),
                size / wall,
                size / cpu
            );
            println!("  table {}", taken.stored.artifact.digest);
        }
    }
    println!(
        "peak memory {}, BLAKE3 {yardstick:.2} GB/s",
        status("VmHWM:")
    );
    Ok(())
}

/// A file of 10 numeric, 9 text and one boolean column.
fn generate(folder: &Path, size: usize) -> Result<PathBuf, Failure> {
    let path = folder.join("data.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    let header: Vec<String> = (0..20).map(|column| format!("column_{column}")).collect();
    writeln!(file, "{}", header.join(","))?;
    let (mut written, mut row, mut line) = (0, 0, String::new());
    while written < size {
        line.clear();
        for column in 0..20 {
            if column > 0 {
                line.push(',');
            }
            let random = u64_at(1, column, row);
            match column {
                _ if random.is_multiple_of(50) => {}
                0 => write!(line, "{row}")?,
                1..=4 => write!(line, "{}", random % 100_000)?,
                5..=7 => write!(line, "{}", (random % 10_000_000) as f64 / 100.0)?,
                8..=9 => write!(line, "{}", (random >> 11) as f64 / 1e15)?,
                10 => write!(line, "{}", random.is_multiple_of(3))?,
                11 => write!(line, "\"{:04x}, {}\"", random % 65_536, random % 7)?,
                12 => write!(line, "{random:016x}")?,
                _ => line.push_str(WORDS[(random % 8) as usize]),
            }
        }
        line.push('\n');
        file.write_all(line.as_bytes())?;
        written += line.len();
        row += 1;
    }
    file.flush()?;
    Ok(path)
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
    };
    // In hundredths of a second on Linux.
    (ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) / 100.0
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap_or("unknown").trim().to_owned()
}
