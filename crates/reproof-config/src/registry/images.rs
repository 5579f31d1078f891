//! The parameters of `image_table`.

use super::parameters::{field, with_default};
use crate::shape::{Field, Object, Shape};

pub(crate) const IMAGE_PATH_FIELD: Field = field(
    "path",
    "The column of the labels that holds the path of each image, from the folder of the files. Only \
     with labels, and then it must be there.",
    Shape::Either(&[Shape::Column, Shape::Null]),
);

pub(crate) const IMAGE_SUFFIX_FIELD: Field = with_default(
    "suffix",
    "What is added to the path, such as `.jpg` where the column holds names without it.",
    Shape::Text,
    "\"\"",
);

pub(super) static IMAGE_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[IMAGE_PATH_FIELD, IMAGE_SUFFIX_FIELD],
    later: &[],
};
