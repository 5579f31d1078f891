//! Arrays of NumPy and tensors of safetensors, by name, type, shape and value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use reproof_record::{Apart, ulps_apart};
use reproof_table::{NumpyArray, NumpyElement};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zip::ZipArchive;

use super::{ContentMoved, MAX_FILE, Show, Unequal, ZIP};

/// What an `.npy` file begins with.
const NPY: &[u8] = b"\x93NUMPY";

/// How an array differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArrayMoved {
    /// Its name; empty where the file holds one alone.
    pub name: String,
    /// Type and shape of both, where they are not the same; none of one that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<[Option<String>; 2]>,
    /// How many elements differ.
    pub values: u64,
    /// Of how many.
    pub of: u64,
    /// The largest difference of two numbers.
    pub largest: Option<f64>,
    /// The largest difference of two floats in units of the last place of their type.
    pub ulps: Option<u64>,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Float,
    BFloat,
    Signed,
    Unsigned,
    /// No number.
    Other,
}

/// An array in a file.
struct Array<'a> {
    kind: Kind,
    size: usize,
    big_endian: bool,
    /// Type and shape, as they are shown.
    shown: String,
    data: &'a [u8],
}

/// Two files of arrays; none if they are none, or hold what is not read.
pub(super) fn compare(files: [&[u8]; 2], show: Show<'_>) -> Option<ContentMoved> {
    if files.iter().all(|file| file.starts_with(NPY)) {
        let [before, after] = files.map(npy);
        let name = String::new();
        let sides = [(name.clone(), before?), (name, after?)].map(|side| BTreeMap::from([side]));
        return Some(found("npy", &sides, show));
    }
    if files.iter().all(|file| file.starts_with(ZIP)) {
        let [before, after] = files.map(members);
        let (before, after) = (before?, after?);
        let sides = [arrays(&before)?, arrays(&after)?];
        if differ(&sides) {
            return Some(found("npz", &sides, show));
        }
        return None;
    }
    let [before, after] = files.map(tensors);
    let sides = [before?, after?];
    if differ(&sides) {
        return Some(found("safetensors", &sides, show));
    }
    Some(ContentMoved::Packing {
        format: "safetensors",
    })
}

fn differ(sides: &[BTreeMap<String, Array<'_>>; 2]) -> bool {
    let [before, after] = sides;
    before.len() != after.len()
        || before.iter().any(|(name, array)| {
            let other = after.get(name);
            other.is_none_or(|other| other.shown != array.shown || other.data != array.data)
        })
}

fn npy(file: &[u8]) -> Option<Array<'_>> {
    let array = NumpyArray::parse(file).ok()?;
    let NumpyElement {
        letter,
        size,
        big_endian,
    } = array.element;
    let order = if array.fortran { ", by columns" } else { "" };
    Some(Array {
        kind: match letter {
            'f' => Kind::Float,
            'i' => Kind::Signed,
            'u' | 'b' => Kind::Unsigned,
            _ => Kind::Other,
        },
        size,
        big_endian,
        shown: format!("{letter}{size} {:?}{order}", array.shape),
        data: array.data,
    })
}

/// The members of a zip archive that all are arrays.
fn members(file: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut archive = ZipArchive::new(std::io::Cursor::new(file)).ok()?;
    let mut members = BTreeMap::new();
    let mut left = MAX_FILE;
    for index in 0..archive.len() {
        let member = archive.by_index(index).ok()?;
        let name = member.name().ok()?.strip_suffix(".npy")?.to_owned();
        let mut bytes = Vec::new();
        member.take(left + 1).read_to_end(&mut bytes).ok()?;
        left = left.checked_sub(bytes.len() as u64)?;
        members.insert(name, bytes);
    }
    (!members.is_empty()).then_some(members)
}

fn arrays(members: &BTreeMap<String, Vec<u8>>) -> Option<BTreeMap<String, Array<'_>>> {
    let arrays = members.iter();
    arrays
        .map(|(name, bytes)| Some((name.clone(), npy(bytes)?)))
        .collect()
}

/// A tensor in the header of a file of safetensors.
#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [usize; 2],
}

/// The tensors of a file of safetensors: the length of a header, the header in JSON, the data.
fn tensors(file: &[u8]) -> Option<BTreeMap<String, Array<'_>>> {
    let length = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    let rest = file.get(8..)?;
    let (header, data) = rest.split_at_checked(length)?;
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).ok()?;
    let tensors = header
        .into_iter()
        .filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, tensor)| {
            let Tensor {
                dtype,
                shape,
                data_offsets: [begin, end],
            } = serde_json::from_value(tensor).ok()?;
            let (kind, size) = element(&dtype);
            let array = Array {
                kind,
                size,
                big_endian: false,
                shown: format!("{dtype} {shape:?}"),
                data: data.get(begin..end)?,
            };
            Some((name, array))
        })
        .collect()
}

/// What the elements of a tensor are, and of how many bytes. What is not known is compared by bytes.
fn element(dtype: &str) -> (Kind, usize) {
    match dtype {
        "F64" => (Kind::Float, 8),
        "F32" => (Kind::Float, 4),
        "F16" => (Kind::Float, 2),
        "BF16" => (Kind::BFloat, 2),
        "I64" => (Kind::Signed, 8),
        "I32" => (Kind::Signed, 4),
        "I16" => (Kind::Signed, 2),
        "I8" => (Kind::Signed, 1),
        "U64" => (Kind::Unsigned, 8),
        "U32" => (Kind::Unsigned, 4),
        "U16" => (Kind::Unsigned, 2),
        "U8" | "BOOL" => (Kind::Unsigned, 1),
        _ => (Kind::Other, 1),
    }
}

fn found(
    format: &'static str,
    sides: &[BTreeMap<String, Array<'_>>; 2],
    show: Show<'_>,
) -> ContentMoved {
    let [before, after] = sides;
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let arrays = names.into_iter().filter_map(|name| {
        let moved = match [before.get(name), after.get(name)] {
            [Some(before), Some(after)] if before.shown == after.shown => {
                moved(name, before, after, show)
            }
            others => {
                show(&Unequal::Other);
                ArrayMoved {
                    name: name.clone(),
                    shape: Some(others.map(|array| array.map(|array| array.shown.clone()))),
                    values: 0,
                    of: 0,
                    largest: None,
                    ulps: None,
                }
            }
        };
        (moved.shape.is_some() || moved.values > 0).then_some(moved)
    });
    ContentMoved::Arrays {
        format,
        arrays: arrays.collect(),
    }
}

/// Compares two arrays of one type and shape.
fn moved(name: &str, before: &Array<'_>, after: &Array<'_>, show: Show<'_>) -> ArrayMoved {
    let mut moved = ArrayMoved {
        name: name.to_owned(),
        shape: None,
        values: 0,
        of: (before.data.len() / before.size) as u64,
        largest: None,
        ulps: None,
    };
    let pairs = before
        .data
        .chunks_exact(before.size)
        .zip(after.data.chunks_exact(before.size));
    for (one, other) in pairs.filter(|(one, other)| one != other) {
        let apart = match (before.number(one), after.number(other)) {
            // Not a number, in other bits.
            (Some((one, _)), Some((other, _))) if one.is_nan() && other.is_nan() => continue,
            (Some((one, bits)), Some((other, others))) => {
                let ulp = u64::try_from(bits.abs_diff(others)).unwrap_or(u64::MAX);
                Some(Apart::with_ulp(one, other, ulp))
            }
            _ => None,
        };
        moved.values += 1;
        let Some(apart) = apart else {
            show(&Unequal::Other);
            continue;
        };
        if apart.abs.is_finite() {
            moved.largest = Some(moved.largest.map_or(apart.abs, |most| most.max(apart.abs)));
            if matches!(before.kind, Kind::Float | Kind::BFloat) {
                moved.ulps = Some(moved.ulps.map_or(apart.ulp, |most| most.max(apart.ulp)));
            }
        }
        show(&Unequal::Numbers(apart));
    }
    moved
}

impl Array<'_> {
    /// An element as a double, and its bits as a number that grows with it.
    fn number(&self, bytes: &[u8]) -> Option<(f64, i128)> {
        let mut wide = [0; 8];
        let place = wide.get_mut(..bytes.len())?;
        place.copy_from_slice(bytes);
        if self.big_endian {
            place.reverse();
        }
        let bits = u64::from_le_bytes(wide);
        // The bits of a float, made to grow with its value.
        let ordered = |width: u32| {
            let magnitude = i128::from(bits & ((1 << (width - 1)) - 1));
            let negative = bits >> (width - 1) & 1 == 1;
            if negative { -magnitude } else { magnitude }
        };
        Some(match (self.kind, self.size) {
            (Kind::Float, 8) => {
                let value = f64::from_bits(bits);
                (
                    value,
                    i128::from(ulps_apart(0.0, value)) * if value < 0.0 { -1 } else { 1 },
                )
            }
            (Kind::Float, 4) => (f64::from(f32::from_bits(bits as u32)), ordered(32)),
            (Kind::Float, 2) => (half(bits as u16), ordered(16)),
            (Kind::BFloat, 2) => (f64::from(f32::from_bits((bits as u32) << 16)), ordered(16)),
            (Kind::Signed, size @ 1..=8) => {
                let shift = 64 - 8 * size as u32;
                let value = (bits << shift).cast_signed() >> shift;
                (value as f64, i128::from(value))
            }
            (Kind::Unsigned, 1..=8) => (bits as f64, i128::from(bits)),
            _ => return None,
        })
    }
}

/// A float of 16 bits.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let scaled = |power: i32| {
        // A power of two within the range of a double, by its bits.
        f64::from_bits(((1023 + power) as u64) << 52)
    };
    sign * match exponent {
        0 => fraction * scaled(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * scaled(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy_file(of: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{of}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [NPY, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn judged(files: [&[u8]; 2]) -> (ContentMoved, Vec<u64>) {
        let mut ulps = Vec::new();
        let moved = compare(files, &mut |unequal| match unequal {
            Unequal::Numbers(apart) => ulps.push(apart.ulp),
            Unequal::Other => ulps.push(u64::MAX),
        });
        (moved.unwrap(), ulps)
    }

    #[test]
    fn arrays_are_compared_by_value_in_units_of_their_type() {
        let floats = |last: f32| {
            let data: Vec<u8> = [1.0, -2.0, last]
                .iter()
                .flat_map(|value: &f32| value.to_le_bytes())
                .collect();
            npy_file("<f4", "(3,)", &data)
        };
        let (moved, ulps) = judged([&floats(1.0), &floats(1.0 + f32::EPSILON)]);
        let ContentMoved::Arrays {
            format: "npy",
            arrays,
        } = moved
        else {
            panic!("{moved:?}")
        };
        assert_eq!(
            (arrays[0].values, arrays[0].of, arrays[0].ulps),
            (1, 3, Some(1))
        );
        assert_eq!(arrays[0].largest, Some(f64::from(f32::EPSILON)));
        assert_eq!(ulps, [1]);

        let (moved, ulps) = judged([
            &npy_file("<i2", "(1,)", &[255, 255]),
            &npy_file(">i2", "(1,)", &[0, 2]),
        ]);
        let ContentMoved::Arrays { arrays, .. } = moved else {
            panic!()
        };
        // -1 and 2, whichever byte comes first.
        assert_eq!((arrays[0].largest, arrays[0].ulps), (Some(3.0), None));
        assert_eq!(ulps, [3]);

        let (moved, _) = judged([
            &npy_file("<i2", "(1,)", &[1, 0]),
            &npy_file("<i2", "(1, 1)", &[1, 0]),
        ]);
        let ContentMoved::Arrays { arrays, .. } = moved else {
            panic!()
        };
        assert!(arrays[0].shape.is_some());
        assert!(compare([b"x", b"y"], &mut |_| {}).is_none());
        // Fewer bytes than the shape says.
        assert!(
            compare(
                [&npy_file("<i2", "(9,)", &[1, 0]), &floats(1.0)],
                &mut |_| {}
            )
            .is_none()
        );
    }

    #[test]
    fn tensors_are_compared_by_name() {
        let file = |metadata: &str, value: f32| {
            let header =
                format!(r#"{{{metadata}"w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
            let length = (header.len() as u64).to_le_bytes();
            [&length[..], header.as_bytes(), &value.to_le_bytes()].concat()
        };
        let (moved, ulps) = judged([&file("", 1.0), &file("", 1.5)]);
        let ContentMoved::Arrays {
            format: "safetensors",
            arrays,
        } = moved
        else {
            panic!("{moved:?}")
        };
        assert_eq!(
            (arrays[0].name.as_str(), arrays[0].largest),
            ("w", Some(0.5))
        );
        assert_eq!(ulps.len(), 1);
        let noted = r#""__metadata__":{"a":"b"},"#;
        let (moved, ulps) = judged([&file("", 1.0), &file(noted, 1.0)]);
        assert!(matches!(
            moved,
            ContentMoved::Packing {
                format: "safetensors"
            }
        ));
        assert!(ulps.is_empty());
    }

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x7bff, 65504.0),
        ] {
            assert_eq!(half(bits).to_bits(), f64::to_bits(value));
        }
        assert!(half(0x7e00).is_nan());
        assert!(half(0x7c00).is_infinite());
    }
}
