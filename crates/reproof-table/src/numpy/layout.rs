//! An array as it lies in a file, for whoever compares arrays without reading them as tables.

use super::header::{Elements, Header};
use crate::NumpyProblem;

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumpyElement {
    /// The letter of NumPy: `f` for floats, `i` and `u` for integers, `b` for booleans, others for what
    /// is no number.
    pub letter: char,
    /// The bytes of each.
    pub size: usize,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// An array as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumpyArray<'a> {
    /// What it is made of.
    pub element: NumpyElement,
    /// The length of each dimension.
    pub shape: Vec<u64>,
    /// Whether columns, rather than rows, lie together.
    pub fortran: bool,
    /// The elements, one after the other.
    pub data: &'a [u8],
}

impl<'a> NumpyArray<'a> {
    /// The array in the bytes of an `.npy` file.
    ///
    /// # Errors
    /// What is no such file, or holds elements that are not read; as many bytes as the shape says must
    /// be there.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NumpyProblem> {
        let mut rest = bytes;
        let header = Header::read(&mut rest)?;
        let Elements::Plain(kind) = header.of else {
            return Err(NumpyProblem::Type {
                found: "a structured array".to_owned(),
            });
        };
        let count = header
            .shape
            .iter()
            .try_fold(1_u64, |product, length| product.checked_mul(*length));
        let size = count.and_then(|count| count.checked_mul(kind.size as u64));
        if size != Some(rest.len() as u64) {
            return Err(NumpyProblem::Format(
                "it has not as many bytes as its shape says".to_owned(),
            ));
        }
        Ok(Self {
            element: kind.element(),
            shape: header.shape,
            fortran: header.fortran,
            data: rest,
        })
    }
}
