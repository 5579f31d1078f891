//! Pictures by their dots: PNG, whose bytes depend on how it was compressed.

use png::{Decoder, Limits, Transformations};
use reproof_record::Apart;

use super::{ContentMoved, Show, Unequal};

/// What a PNG begins with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// How many bytes of dots are decoded at most.
const MAX_BYTES: usize = 256 << 20;

/// A picture whose dots were decoded.
struct Picture {
    width: u32,
    height: u32,
    /// How many channels a dot has, and of how many bytes.
    samples: usize,
    bytes: usize,
    data: Vec<u8>,
}

/// Two pictures of one size and depth; none if they are none.
pub(super) fn compare(files: [&[u8]; 2], show: Show<'_>) -> Option<ContentMoved> {
    let [before, after] = files.map(read);
    let (before, after) = (before?, after?);
    let form = |picture: &Picture| {
        let Picture {
            width,
            height,
            samples,
            bytes,
            ..
        } = picture;
        (*width, *height, *samples, *bytes)
    };
    if form(&before) != form(&after) {
        return None;
    }
    let dot = before.samples * before.bytes;
    let (mut dots, mut largest) = (0, 0);
    let pairs = before
        .data
        .chunks_exact(dot)
        .zip(after.data.chunks_exact(dot));
    for (one, other) in pairs.filter(|(one, other)| one != other) {
        dots += 1;
        let channels = one
            .chunks_exact(before.bytes)
            .zip(other.chunks_exact(before.bytes));
        for (one, other) in channels.filter(|(one, other)| one != other) {
            let [one, other] = [one, other].map(value);
            let apart = one.abs_diff(other);
            largest = largest.max(apart);
            let apart = Apart::with_ulp(one as f64, other as f64, apart);
            show(&Unequal::Numbers(apart));
        }
    }
    if dots == 0 {
        return Some(ContentMoved::Packing { format: "PNG" });
    }
    Some(ContentMoved::Picture {
        dots,
        of: u64::from(before.width) * u64::from(before.height),
        largest,
    })
}

/// A channel of one or two bytes.
fn value(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn read(file: &[u8]) -> Option<Picture> {
    file.starts_with(PNG).then_some(())?;
    let limits = Limits { bytes: MAX_BYTES };
    let mut decoder = Decoder::new_with_limits(std::io::Cursor::new(file), limits);
    // Palettes and depths below a byte become channels of a byte.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().ok()?;
    let size = reader
        .output_buffer_size()
        .filter(|size| *size <= MAX_BYTES)?;
    let mut data = vec![0; size];
    let info = reader.next_frame(&mut data).ok()?;
    data.truncate(info.buffer_size());
    Some(Picture {
        width: info.width,
        height: info.height,
        samples: info.color_type.samples(),
        bytes: if info.bit_depth == png::BitDepth::Sixteen {
            2
        } else {
            1
        },
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(dots: &[u8], compression: png::Compression) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, (dots.len() / 2) as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_compression(compression);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(dots).unwrap();
        drop(writer);
        file
    }

    #[test]
    fn dots_count_and_not_how_they_are_packed() {
        let same = [7; 64];
        let files = [png::Compression::NoCompression, png::Compression::High]
            .map(|how| picture(&same, how));
        assert_ne!(files[0], files[1]);
        let mut told = 0;
        let found = compare([&files[0], &files[1]], &mut |_| told += 1);
        assert!(matches!(
            found,
            Some(ContentMoved::Packing { format: "PNG" })
        ));

        let mut other = same;
        (other[3], other[9]) = (8, 1);
        let other = picture(&other, png::Compression::High);
        let found = compare([&files[0], &other], &mut |_| told += 1);
        let Some(ContentMoved::Picture {
            dots: 2,
            of: 64,
            largest: 6,
        }) = found
        else {
            panic!("{found:?}")
        };
        assert_eq!(told, 2);
        assert!(
            compare(
                [&files[0], &picture(&[7; 8], png::Compression::High)],
                &mut |_| {}
            )
            .is_none()
        );
        assert!(compare([&files[0][..20], &files[1]], &mut |_| {}).is_none());
    }
}
