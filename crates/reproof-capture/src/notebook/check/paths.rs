//! Paths that only one machine has.

use std::collections::BTreeSet;

use super::scan::Scan;
use super::{Finding, Rule};

/// Folders of a person, of a machine's own disks, or of one service: what begins with them is a
/// path, wherever it stands.
const HOMES: [&str; 12] = [
    "/home/",
    "/Users/",
    "/root/",
    "/mnt/",
    "/media/",
    "/Volumes/",
    "/content/",
    "/kaggle/",
    "/dbfs/",
    "/scratch/",
    "/gpfs/",
    "/databricks/",
];
/// Folders that are alike on all machines, or belong to the step.
const SHARED: [&str; 10] = [
    "/tmp",
    "/dev/",
    "/proc/",
    "/sys/",
    "/etc/",
    "/usr/",
    "/bin/",
    "/var/tmp",
    "/reproof/",
    "//",
];
/// Functions that take a path first.
const TAKE_PATHS: &[&str] = &[
    "open",
    "read_csv",
    "read_parquet",
    "read_excel",
    "read_json",
    "read_table",
    "read_feather",
    "read_pickle",
    "read_hdf",
    "read_stata",
    "read_sas",
    "scan_csv",
    "scan_parquet",
    "loadtxt",
    "genfromtxt",
    "imread",
    "imwrite",
    "Path",
    "PosixPath",
    "PurePath",
    "listdir",
    "chdir",
    "iglob",
    "scandir",
    "makedirs",
    "to_csv",
    "to_parquet",
    "to_excel",
    "to_json",
    "to_pickle",
    "to_feather",
    "savefig",
    "savez",
    "savez_compressed",
    "savetxt",
    "isfile",
    "isdir",
    "rmtree",
    "ImageFolder",
    "load_model",
    "load_weights",
    "save_weights",
];
/// Functions that take a path first where they are of these modules.
const FULL_NAMES: &[&str] = &[
    "glob.glob",
    "os.walk",
    "os.mkdir",
    "os.path.join",
    "os.path.exists",
    "os.remove",
    "sys.path.append",
    "sys.path.insert",
    "np.load",
    "np.save",
    "numpy.load",
    "numpy.save",
    "joblib.load",
    "joblib.dump",
    "torch.load",
    "torch.save",
    "shutil.copy",
    "shutil.move",
    "shutil.copyfile",
    "sqlite3.connect",
];

pub(super) fn check(scan: &Scan) -> Vec<Finding> {
    let mut found: BTreeSet<(usize, u32, String)> = BTreeSet::new();
    for text in &scan.texts {
        if is_of_a_machine(&text.text) {
            found.insert((text.spot.cell, text.spot.line, text.text.clone()));
        }
    }
    for call in &scan.calls {
        let last = call.name.rsplit('.').next().unwrap_or_default();
        if TAKE_PATHS.contains(&last) || FULL_NAMES.contains(&call.name.as_str()) {
            let paths = call.texts.iter().filter(|(text, _)| is_absolute(text));
            found.extend(paths.map(|(text, line)| (call.spot.cell, *line, text.clone())));
        }
    }
    let finding = |(cell, line, path): (usize, u32, String)| {
        let shown: String = path.chars().take(60).collect();
        Finding {
            rule: Rule::AbsolutePath,
            cell,
            line,
            what: format!("'{shown}' is a path of one machine"),
            advice:
                "use a path relative to the notebook; in a pipeline name the file under 'data' \
                     and take it as an input"
                    .to_owned(),
        }
    };
    found.into_iter().map(finding).collect()
}

/// Whether a text is a path of one machine, wherever it stands.
fn is_of_a_machine(text: &str) -> bool {
    let one_line = !text.contains(['\n', '<', '>', '|', '*']);
    let home = HOMES
        .iter()
        .filter_map(|home| text.strip_prefix(home))
        .any(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.'));
    let tilde = text.strip_prefix("~/").is_some_and(is_plain);
    one_line && (home || tilde || has_drive(text))
}

/// Whether a text begins with a letter and a folder of Windows: `C:\data`, `D:/data`.
fn has_drive(text: &str) -> bool {
    let mut chars = text.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_uppercase());
    let rest = chars.as_str();
    let rest = rest.strip_prefix(":\\").or_else(|| rest.strip_prefix(":/"));
    drive && rest.is_some_and(is_plain)
}

/// Whether the first part of a path is at least two everyday characters.
fn is_plain(path: &str) -> bool {
    let first = path.split(['/', '\\']).next().unwrap_or_default();
    let fits = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    first.chars().count() >= 2 && first.chars().all(fits)
}

/// Whether a path is absolute, and of a folder that machines do not share.
fn is_absolute(path: &str) -> bool {
    let shared = SHARED.iter().any(|shared| path.starts_with(shared));
    path.starts_with('/') && path.len() > 1 && !shared || is_of_a_machine(path)
}
