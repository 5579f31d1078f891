//! Which calls read and write files, by their names.

use ruff_python_ast::{Expr, ExprCall};

use super::Access;
use crate::closure::visit::{argument, dotted, text};

/// Functions and methods that read what their first argument names.
const READ: &str = "read_csv read_parquet read_excel read_json read_table read_feather read_pickle \
     read_hdf read_stata read_sas read_spss read_orc read_fwf read_xml read_ipc read_avro read_ndjson \
     scan_csv scan_parquet scan_ndjson scan_ipc loadtxt genfromtxt fromfile memmap imread load_model \
     load_weights load_svmlight_file loadmat ImageFolder listdir scandir iglob open_dataset";
/// Those that do where they are of these modules.
const READ_FULL: &str = "glob.glob os.walk np.load numpy.load joblib.load torch.load sqlite3.connect \
     Image.open PIL.Image.open xr.open_dataset";
/// Functions and methods that write what their first argument names.
const WRITE: &str = "to_csv to_parquet to_json to_pickle to_excel to_feather to_hdf to_stata to_html \
     to_markdown to_latex to_orc to_xml to_netcdf to_zarr savefig save_model save_weights \
     save_pretrained write_csv write_parquet write_json write_ipc write_ndjson write_excel sink_csv \
     sink_parquet write_image write_html savetxt savez savez_compressed imwrite imsave tofile \
     ExcelWriter FileHandler export_onnx";
/// Functions that write what their second argument names.
const WRITE_SECOND: &str = "joblib.dump torch.save pq.write_table pyarrow.parquet.write_table \
     onnx.save";
/// What opens a file in the mode that its second argument says.
const OPEN: &str = "open io.open gzip.open bz2.open lzma.open codecs.open tarfile.open ZipFile \
     zipfile.ZipFile h5py.File File os.fdopen";
/// How the argument with the path is called.
const KEYWORDS: [&str; 14] = [
    "filepath_or_buffer",
    "path",
    "path_or_buf",
    "path_or_buffer",
    "io",
    "fname",
    "file",
    "filename",
    "fp",
    "f",
    "buf",
    "excel_writer",
    "filepath",
    "name",
];

/// A call's use of a file.
pub(crate) struct FileUse<'a> {
    pub access: Access,
    /// The expression of the path.
    pub path: &'a Expr,
}

fn is_in(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|known| known == name)
}

/// One use of a file, if there is a path.
fn one(access: Access, path: Option<&Expr>) -> Vec<FileUse<'_>> {
    let path = path.into_iter();
    path.map(|path| FileUse { access, path }).collect()
}

/// What a call does with files.
pub(crate) fn file_uses(call: &ExprCall) -> Vec<FileUse<'_>> {
    let full = dotted(&call.func).unwrap_or_default();
    let last = match &*call.func {
        Expr::Attribute(method) => method.attr.id.as_str(),
        Expr::Name(name) => name.id.as_str(),
        _ => return Vec::new(),
    };
    if let Expr::Attribute(method) = &*call.func {
        let own = &*method.value;
        match last {
            "write_text" | "write_bytes" => return one(Access::Write, Some(own)),
            "read_text" | "read_bytes" | "iterdir" | "rglob" => {
                return one(Access::Read, Some(own));
            }
            "glob" if full != "glob.glob" => return one(Access::Read, Some(own)),
            "open" if !is_in(OPEN, &full) && !is_in(READ_FULL, &full) => {
                return one(mode(argument(call, 0, "mode")), Some(own));
            }
            _ => {}
        }
    }
    if full == "logging.basicConfig" {
        let named = argument(call, usize::MAX, "filename");
        return one(Access::Write, named);
    }
    if matches!(
        full.as_str(),
        "shutil.copy" | "shutil.copyfile" | "shutil.copy2"
    ) {
        let mut uses = one(Access::Read, argument(call, 0, "src"));
        uses.extend(one(Access::Write, argument(call, 1, "dst")));
        return uses;
    }
    if is_in(OPEN, &full) {
        return one(mode(argument(call, 1, "mode")), first(call, 0));
    }
    if is_in(WRITE_SECOND, &full) {
        return one(Access::Write, first(call, 1));
    }
    if last == "save" {
        // np.save(path, value), model.save(path), but other.save(value, path).
        let second = call.arguments.args.get(1).filter(|path| is_text(path));
        return one(Access::Write, second.or_else(|| first(call, 0)));
    }
    if last == "dump" {
        // Of joblib by its bare name; what is dumped elsewhere goes to an open file.
        let second = call.arguments.args.get(1).filter(|path| is_text(path));
        return one(Access::Write, second);
    }
    if is_in(WRITE, last) {
        return one(Access::Write, first(call, 0));
    }
    if is_in(READ, last) || is_in(READ_FULL, &full) {
        return one(Access::Read, first(call, 0));
    }
    Vec::new()
}

/// The argument with the path: by its place, or by one of the names that are in use.
fn first(call: &ExprCall, place: usize) -> Option<&Expr> {
    let by_place = call.arguments.args.get(place);
    by_place.or_else(|| {
        let mut names = KEYWORDS.iter();
        names.find_map(|name| argument(call, usize::MAX, name))
    })
}

fn is_text(expression: &Expr) -> bool {
    matches!(expression, Expr::StringLiteral(_) | Expr::FString(_))
}

/// What a mode of `open` does.
fn mode(mode: Option<&Expr>) -> Access {
    let mode = mode.and_then(text).unwrap_or_default();
    if mode.contains('+') && !mode.contains(['w', 'x']) {
        Access::Both
    } else if mode.contains(['w', 'x', 'a']) {
        Access::Write
    } else {
        Access::Read
    }
}
