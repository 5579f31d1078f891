//! The columns of a table of images, which the operation `image_table@1` makes.

use crate::{Column, LogicalType, Schema, SchemaError};

/// The column that holds the path of the image, as its folder has it.
pub const IMAGE_PATH: &str = "image";

/// The column that holds the digest of the image's bytes.
pub const IMAGE_DIGEST: &str = "image_digest";

/// What is read of an image, in columns behind its path.
const READ: [(&str, LogicalType); 4] = [
    ("image_width", LogicalType::Integer),
    ("image_height", LogicalType::Integer),
    ("image_format", LogicalType::String),
    (IMAGE_DIGEST, LogicalType::String),
];

/// The columns of a table of images. Without labels, those are the names of folders, in the column
/// `label`; else the columns of the labels come first, of which the named one says where the image
/// is.
///
/// # Errors
/// Labels with a column that the table has of its own.
pub fn image_table_schema(labels: Option<(&Schema, &str)>) -> Result<Schema, SchemaError> {
    let column = |(name, logical_type): (&str, LogicalType)| Column {
        name: name.to_owned(),
        logical_type,
    };
    let text = |name| column((name, LogicalType::String));
    let mut columns = Vec::new();
    match labels {
        // A column of paths that has the very name is the table's.
        Some((schema, path)) => {
            let known = schema.columns().iter();
            columns.extend(
                known
                    .filter(|column| column.name != IMAGE_PATH || column.name != path)
                    .cloned(),
            );
            columns.push(text(IMAGE_PATH));
        }
        None => columns.extend([text(IMAGE_PATH), text("label")]),
    }
    columns.extend(READ.map(column));
    Schema::new(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(schema: &Schema) -> Vec<&str> {
        let columns = schema.columns().iter();
        columns.map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn labels_come_first_and_no_column_stands_twice() {
        let read = [
            "image_width",
            "image_height",
            "image_format",
            "image_digest",
        ];
        let folders = image_table_schema(None).unwrap();
        assert_eq!(names(&folders)[..2], ["image", "label"]);
        assert_eq!(names(&folders)[2..], read);
        let of = |names: [&str; 2]| {
            let columns = names.map(|name| Column {
                name: name.to_owned(),
                logical_type: LogicalType::String,
            });
            Schema::new(columns.to_vec()).unwrap()
        };
        let labelled = image_table_schema(Some((&of(["file", "breed"]), "file"))).unwrap();
        assert_eq!(names(&labelled)[..3], ["file", "breed", "image"]);
        let same = image_table_schema(Some((&of(["image", "breed"]), "image"))).unwrap();
        assert_eq!(names(&same)[..2], ["breed", "image"]);
        let error = image_table_schema(Some((&of(["file", "image_width"]), "file"))).unwrap_err();
        assert_eq!(
            error,
            SchemaError::DuplicateColumn("image_width".to_owned())
        );
        assert!(image_table_schema(Some((&of(["file", "image"]), "file"))).is_err());
    }
}
