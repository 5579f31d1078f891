//! Images as a table: a row for each, with its label, path and size.
//!
//! Only the beginning of an image is looked at, never its pixels. The table does not hold the images
//! but their digests, so it says which bytes a row is about.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use imagesize::ImageType;
use reproof_record::{
    IMAGE_PATH, LINK_PREFIX, RelativePath, Schema, Tree, TreeEntry, image_table_schema,
};
use reproof_store::fs::IoError;
use reproof_store::{Store, StoreError};
use serde::Deserialize;

use crate::parallel::map_ranges;
use crate::{ColumnData, StringColumn, Table, TableError, Threads};

/// The ends of names that stand for images, in any case, where folders are the labels.
const ENDINGS: [&str; 14] = [
    "bmp", "dib", "gif", "jfif", "jpe", "jpeg", "jpg", "pbm", "pgm", "png", "ppm", "tif", "tiff",
    "webp",
];

/// How much of an image is read first, in bytes; eight times as much each time that it does not tell
/// the size.
const FIRST: u64 = 16 << 10;
/// The most that is read of one image.
const MOST: u64 = 256 << 20;
/// How many problems an error names.
const NAMED: usize = 5;

/// The parameters of `image_table@1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageTable {
    /// The column of the labels that holds the path of each image; none where folders are the labels.
    pub path: Option<String>,
    /// What is added to the value of that column.
    pub suffix: String,
}

/// What the beginning of an image says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    width: i64,
    height: i64,
    format: &'static str,
}

/// Makes a table of the images among these files.
///
/// Without labels there is a row for each file whose name ends like that of an image, sorted by the
/// bytes of their paths, and the label is the first folder of the path. With labels there is a row
/// for each of theirs, in their order.
///
/// # Errors
/// No image; an image in no folder; a label whose image is not there; a file that is no image; and
/// trouble of the storage.
pub fn image_table(
    store: &Store,
    files: &Tree,
    labels: Option<&Table>,
    parameters: &ImageTable,
    threads: Threads,
) -> Result<Table, TableError> {
    let entries = match (labels, &parameters.path) {
        (Some(labels), Some(path)) => labelled(files, labels, path, &parameters.suffix)?,
        (None, None) => in_folders(files)?,
        _ => {
            let problem = "labels and the column of their paths come together";
            return Err(TableError::Images(problem.to_owned()));
        }
    };
    let seen = look(store, &entries, threads)?;
    let schema = image_table_schema(labels.map(Table::schema).zip(parameters.path.as_deref()))?;
    let columns = columns(&schema, &entries, &seen, labels);
    Table::new(schema, columns)
}

/// The files that are images by their names, each in a folder.
fn in_folders(files: &Tree) -> Result<Vec<&TreeEntry>, TableError> {
    let is_image = |entry: &&TreeEntry| {
        let name = entry.path.as_str();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        let ending = ending.map(str::to_ascii_lowercase);
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    let images: Vec<_> = files.files.iter().filter(is_image).collect();
    if images.is_empty() {
        return Err(TableError::Images(format!(
            "none of the {} files is one by its name: {} are known",
            files.files.len(),
            ENDINGS.join(", ")
        )));
    }
    let loose = images.iter().filter(|entry| label_of(entry).is_none());
    let loose: Vec<_> = loose.map(|entry| format!("'{}'", entry.path)).collect();
    if loose.is_empty() {
        return Ok(images);
    }
    Err(TableError::Images(format!(
        "{} in no folder, whose name would be the label: {}; put each into the folder of its label, \
         or give the labels in a table",
        count(loose.len(), "image lies", "images lie"),
        first(&loose)
    )))
}

/// The first folder of a path.
fn label_of(entry: &TreeEntry) -> Option<&str> {
    entry
        .path
        .as_str()
        .split_once('/')
        .map(|(folder, _)| folder)
}

/// The file of each row of the labels.
fn labelled<'a>(
    files: &'a Tree,
    labels: &Table,
    path: &str,
    suffix: &str,
) -> Result<Vec<&'a TreeEntry>, TableError> {
    let paths = labels
        .column(path)
        .ok_or_else(|| TableError::NoSuchColumn {
            column: path.to_owned(),
        })?;
    let by_path: BTreeMap<_, _> = files
        .files
        .iter()
        .map(|entry| (entry.path.as_str(), entry))
        .collect();
    let mut found = Vec::with_capacity(labels.rows());
    let mut missing = Vec::new();
    for row in 0..labels.rows() {
        let Some(text) = paths.text(row) else {
            missing.push(format!("a missing value in row {}", row + 1));
            continue;
        };
        let written = format!("{text}{suffix}");
        let inside = written.strip_prefix("./").unwrap_or(&written);
        match by_path.get(inside) {
            Some(entry) => found.push(*entry),
            None => missing.push(format!("'{}' in row {}", shown(&written), row + 1)),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    let hint = match files.files.first() {
        Some(entry) => format!("files are named as '{}'", entry.path),
        None => "there are no files".to_owned(),
    };
    Err(TableError::Images(format!(
        "{} of the column '{path}' in {} of labels: {}; {hint}",
        count(missing.len(), "file is not there", "files are not there"),
        count(labels.rows(), "row", "rows"),
        first(&missing)
    )))
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The first few of a list.
fn first(all: &[String]) -> String {
    let named = all
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > NAMED {
        format!("{named}, …")
    } else {
        named
    }
}

/// Looks at each file once, however many rows it has. Problems come in the order of the paths,
/// whatever the threads.
fn look(
    store: &Store,
    entries: &[&TreeEntry],
    threads: Threads,
) -> Result<BTreeMap<RelativePath, Seen>, TableError> {
    let paths: BTreeMap<_, _> = entries.iter().map(|entry| (&entry.path, *entry)).collect();
    let files: Vec<&TreeEntry> = paths.into_values().collect();
    let parts = map_ranges(threads, files.len(), |range: Range<usize>| {
        let part = files[range].iter();
        let look = |entry: &&TreeEntry| Ok((entry.path.clone(), seen(store, entry)?));
        part.map(look).collect::<Result<Vec<_>, TableError>>()
    });
    let mut all = BTreeMap::new();
    let mut problems = Vec::new();
    for part in parts {
        for (path, seen) in part? {
            match seen {
                Ok(seen) => _ = all.insert(path, seen),
                Err(problem) => problems.push(format!("'{path}' {problem}")),
            }
        }
    }
    if problems.is_empty() {
        return Ok(all);
    }
    Err(TableError::Images(format!(
        "{}: {}",
        count(
            problems.len(),
            "file cannot be read",
            "files cannot be read"
        ),
        first(&problems)
    )))
}

/// What the beginning of a file says, or why it is no image.
fn seen(store: &Store, entry: &TreeEntry) -> Result<Result<Seen, String>, TableError> {
    let mut reader = store.reader(&entry.digest)?;
    let (mut begin, mut wanted) = (Vec::new(), FIRST);
    loop {
        let more = wanted - begin.len() as u64;
        let read = reader.by_ref().take(more).read_to_end(&mut begin);
        read.map_err(|source| {
            let path = entry.path.as_str();
            StoreError::from(IoError::new("read", Path::new(path), source))
        })?;
        let ended = (begin.len() as u64) < wanted;
        match size_of(&begin) {
            Err(_) if !ended && wanted < MOST && !begin.starts_with(LINK_PREFIX) => {
                wanted = (wanted * 8).min(MOST);
            }
            found => return Ok(found),
        }
    }
}

fn size_of(begin: &[u8]) -> Result<Seen, String> {
    if begin.is_empty() {
        return Err("is empty".to_owned());
    }
    let format = match imagesize::image_type(begin) {
        Ok(ImageType::Bmp) => "bmp",
        Ok(ImageType::Gif) => "gif",
        Ok(ImageType::Jpeg) => "jpeg",
        Ok(ImageType::Png) => "png",
        Ok(ImageType::Pnm) => "pnm",
        Ok(ImageType::Tiff) => "tiff",
        Ok(ImageType::Webp) => "webp",
        _ => return Err("is no BMP, GIF, JPEG, PNG, PNM, TIFF or WebP image".to_owned()),
    };
    let size = imagesize::blob_size(begin);
    let size = size.map_err(|_| format!("is a damaged image ({format})"))?;
    match (i64::try_from(size.width), i64::try_from(size.height)) {
        (Ok(width), Ok(height)) if width > 0 && height > 0 => Ok(Seen {
            width,
            height,
            format,
        }),
        _ => Err(format!("is an image without pixels ({format})")),
    }
}

/// The columns of this schema: those of the labels by name, the rest from the files.
fn columns(
    schema: &Schema,
    entries: &[&TreeEntry],
    seen: &BTreeMap<RelativePath, Seen>,
    labels: Option<&Table>,
) -> Vec<ColumnData> {
    let texts = |value: &dyn Fn(&TreeEntry) -> Option<String>| {
        let mut column = StringColumn::new();
        for entry in entries {
            column.push(value(entry).as_deref());
        }
        ColumnData::String(column)
    };
    let integers = |value: fn(&Seen) -> i64| {
        let values = entries.iter().map(|entry| seen.get(&entry.path).map(value));
        ColumnData::Integer(values.collect())
    };
    let column = |name: &str| match (labels.and_then(|labels| labels.column(name)), name) {
        (_, IMAGE_PATH) => texts(&|entry| Some(entry.path.to_string())),
        (Some(column), _) => column.clone(),
        (None, "label") => texts(&|entry| label_of(entry).map(str::to_owned)),
        (None, "image_width") => integers(|seen| seen.width),
        (None, "image_height") => integers(|seen| seen.height),
        (None, "image_format") => texts(&|entry| Some(seen.get(&entry.path)?.format.to_owned())),
        (None, _) => texts(&|entry| Some(entry.digest.to_hex())),
    };
    let names = schema.columns().iter().map(|column| &column.name);
    names.map(|name| column(name)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reproof_record::{Column, Digest, LogicalType};

    use super::*;
    use crate::storage::tests::scratch;

    /// A PNG of this size, whole but for its pixels.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 1, 2, 3, 4]);
        bytes
    }

    fn gif(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    /// A JPEG whose size stands behind this many bytes of something else.
    fn jpeg(width: u16, height: u16, before: usize) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        let mut left = before;
        while left > 0 {
            let length = left.min(60_000);
            bytes.extend([0xff, 0xe1]);
            bytes.extend((length as u16 + 2).to_be_bytes());
            bytes.extend(vec![7; length]);
            left -= length;
        }
        bytes.extend([0xff, 0xc0, 0, 17, 8]);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, 0xd9]);
        bytes
    }

    fn stored(store: &Store, files: &[(&str, Vec<u8>)]) -> Tree {
        let mut batch = store.batch();
        let entries: Vec<_> = files
            .iter()
            .map(|(path, bytes)| {
                batch.put(bytes).unwrap();
                TreeEntry {
                    path: path.parse().unwrap(),
                    executable: false,
                    digest: Digest::of(bytes),
                }
            })
            .collect();
        batch.commit().unwrap();
        Tree::new(entries)
    }

    fn labels(columns: &[(&str, &[&str])]) -> Table {
        let schema = columns.iter().map(|(name, _)| Column {
            name: (*name).to_owned(),
            logical_type: LogicalType::String,
        });
        let data = columns.iter().map(|(_, values)| {
            let mut column = StringColumn::new();
            for value in *values {
                column.push((!value.is_empty()).then_some(*value));
            }
            ColumnData::String(column)
        });
        Table::new(Schema::new(schema.collect()).unwrap(), data.collect()).unwrap()
    }

    fn rows(table: &Table) -> Vec<String> {
        let row = |row: usize| {
            let texts = table.columns().iter().map(|column| column.text(row));
            let texts = texts.map(|text| text.unwrap_or_default().chars().take(12).collect());
            texts.collect::<Vec<String>>().join(" ")
        };
        (0..table.rows()).map(row).collect()
    }

    #[test]
    fn folders_are_labels_and_other_files_are_none() {
        let (_folder, store) = scratch();
        let files = stored(
            &store,
            &[
                ("dog/b.PNG", png(4, 3)),
                ("cat/inside/c.jpg", jpeg(640, 480, 200_000)),
                ("cat/a.jpeg", gif(7, 9)),
                ("README.md", b"no image".to_vec()),
            ],
        );
        let of = |threads: usize| {
            let threads = Threads::new(threads.try_into().unwrap());
            image_table(&store, &files, None, &ImageTable::default(), threads).unwrap()
        };
        let table = of(1);
        let digest = |index: usize| files.files[index].digest.to_hex()[..12].to_owned();
        assert_eq!(
            rows(&table),
            [
                format!("cat/a.jpeg cat 7 9 gif {}", digest(1)),
                format!("cat/inside/c cat 640 480 jpeg {}", digest(2)),
                format!("dog/b.PNG dog 4 3 png {}", digest(3)),
            ]
        );
        assert_eq!(of(3), table);
        // A change of these bits needs another version of the operation.
        let mut batch = store.batch();
        let stored = crate::write_table(&mut batch, &table).unwrap();
        assert_eq!(stored.artifact.digest.short(), "7d65a59c6852");
    }

    #[test]
    fn labels_have_a_row_each_in_their_order() {
        let (_folder, store) = scratch();
        let files = stored(&store, &[("a.png", png(1, 2)), ("b.png", png(3, 4))]);
        let labels = labels(&[("id", &["b", "./a", "b"]), ("breed", &["x", "", "z"])]);
        let parameters = ImageTable {
            path: Some("id".to_owned()),
            suffix: ".png".to_owned(),
        };
        let table = image_table(&store, &files, Some(&labels), &parameters, Threads::ONE).unwrap();
        let known = rows(&table);
        assert!(known[0].starts_with("b x b.png 3 4 png "), "{known:?}");
        assert!(known[1].starts_with("./a  a.png 1 2 png "), "{known:?}");
        assert!(known[2].starts_with("b z b.png 3 4 png "), "{known:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_folder, store) = scratch();
        let fails = |files: &[(&str, Vec<u8>)], table: Option<&Table>, expect: &str| {
            let parameters = ImageTable {
                path: table.map(|_| "file".to_owned()),
                suffix: String::new(),
            };
            let files = stored(&store, files);
            let error = image_table(&store, &files, table, &parameters, Threads::ONE).unwrap_err();
            assert!(error.to_string().contains(expect), "{error}");
        };
        fails(
            &[("a/b.txt", vec![])],
            None,
            "none of the 1 files is one by its name",
        );
        fails(&[("a.png", png(1, 1))], None, "1 image lies in no folder");
        let damaged = png(1, 1)[..20].to_vec();
        fails(
            &[
                ("a/b.png", damaged),
                ("a/c.png", b"text".to_vec()),
                ("a/d.png", vec![]),
            ],
            None,
            "3 files cannot be read: 'a/b.png' is a damaged image (png), 'a/c.png' is no BMP, GIF, \
             JPEG, PNG, PNM, TIFF or WebP image, 'a/d.png' is empty",
        );
        fails(&[("a/b.png", png(0, 1))], None, "without pixels");
        let wrong = labels(&[("file", &["a.png", "A.png", ""])]);
        fails(
            &[("a.png", png(1, 1))],
            Some(&wrong),
            "2 files are not there of the column 'file' in 3 rows of labels: 'A.png' in row 2, a \
             missing value in row 3; files are named as 'a.png'",
        );
        let other = labels(&[("path", &["a.png"])]);
        fails(&[("a.png", png(1, 1))], Some(&other), "no column 'file'");
        let twice = labels(&[("file", &["a.png"]), ("image", &["x"])]);
        fails(
            &[("a.png", png(1, 1))],
            Some(&twice),
            "two columns are named 'image'",
        );
    }

    proptest! {
        /// Whatever is changed in an image: a size or a reason, never a panic.
        #[test]
        fn any_bytes_are_an_image_or_none(
            kind in 0..6usize,
            changes in proptest::collection::vec((0..200usize, any::<u8>()), 0..8),
            cut in 0..300usize,
            noise in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = match kind {
                0 => png(3, 4),
                1 => gif(3, 4),
                2 => jpeg(3, 4, 50),
                3 => [&b"RIFF\x20\0\0\0WEBPVP8X"[..], &noise].concat(),
                4 => [&b"II*\0\x08\0\0\0"[..], &noise].concat(),
                _ => [&b"P6\n"[..], &noise].concat(),
            };
            for (at, byte) in changes {
                if let Some(found) = bytes.get_mut(at) {
                    *found = byte;
                }
            }
            bytes.truncate(cut);
            let _ = size_of(&bytes);
        }
    }
}
