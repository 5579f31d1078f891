//! Random numbers addressed by what they are for, never by the order in which they are drawn.
//!
//! The generator is Philox4x32-10 of Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as
//! easy as 1, 2, 3* (SC 2011): a keyed bijection of 128-bit counters. Every `(seed, stream, index)`
//! has its own number, so rows may be worked on in any order by any number of threads.

/// The multipliers of a round.
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];

/// What the key grows by from round to round (the golden ratio and the square root of 3, less 1).
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

const ROUNDS: usize = 10;

/// The smallest 64-bit number at which a Poisson variable of mean 1 exceeds 0, 1, 2, ...: its
/// distribution function times 2^64, rounded to the nearest integer. From 20 on that is 2^64.
const POISSON1_THRESHOLDS: [u64; 20] = [
    0x5e2d_58d8_b3bc_df1b,
    0xbc5a_b1b1_6779_be35,
    0xeb71_5e1d_c158_2dc3,
    0xfb23_9797_34a2_52f2,
    0xff10_25f5_9174_dc3e,
    0xffd9_0f3b_a405_5e1a,
    0xfffa_8b71_fc72_c914,
    0xffff_540c_0914_b3ca,
    0xffff_ed1f_4aa8_f120,
    0xffff_fe21_6e64_1463,
    0xffff_ffd4_d85d_3183,
    0xffff_fffc_6da2_62b5,
    0xffff_ffff_ba12_d179,
    0xffff_ffff_fb07_c64d,
    0xffff_ffff_ffab_8ea5,
    0xffff_ffff_fffa_be22,
    0xffff_ffff_ffff_b11a,
    0xffff_ffff_ffff_fba1,
    0xffff_ffff_ffff_ffc5,
    0xffff_ffff_ffff_fffd,
];

/// Philox4x32 with ten rounds: the block of the counter under the key.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut block, mut key) = (counter, key);
    for round in 0..ROUNDS {
        if round > 0 {
            key = [
                key[0].wrapping_add(KEY_STEPS[0]),
                key[1].wrapping_add(KEY_STEPS[1]),
            ];
        }
        let product0 = u64::from(MULTIPLIERS[0]) * u64::from(block[0]);
        let product1 = u64::from(MULTIPLIERS[1]) * u64::from(block[2]);
        block = [
            (product1 >> 32) as u32 ^ block[1] ^ key[0],
            product1 as u32,
            (product0 >> 32) as u32 ^ block[3] ^ key[1],
            product0 as u32,
        ];
    }
    block
}

/// A uniform 64-bit number: the first two words of the block whose counter is `index`, then
/// `stream`, under the key `seed`, each with its low word first.
pub fn u64_at(seed: u64, stream: u64, index: u64) -> u64 {
    let counter = [
        index as u32,
        (index >> 32) as u32,
        stream as u32,
        (stream >> 32) as u32,
    ];
    let block = philox4x32_10(counter, [seed as u32, (seed >> 32) as u32]);
    u64::from(block[1]) << 32 | u64::from(block[0])
}

/// A uniform double in `[0, 1)`: a multiple of 2^-53, from the upper bits of [`u64_at`].
pub fn unit_at(seed: u64, stream: u64, index: u64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (u64_at(seed, stream, index) >> 11) as f64 * STEP
}

/// A Poisson variable of mean 1: how often a row stands in a replicate of a bootstrap.
///
/// The inverse of the distribution function at [`u64_at`], in integers: exact to 2^-64.
pub fn poisson1_at(seed: u64, replicate: u64, row: u64) -> u32 {
    let uniform = u64_at(seed, replicate, row);
    let mut count = 0;
    for threshold in POISSON1_THRESHOLDS {
        if uniform < threshold {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers for `philox4x32 10` that the authors publish with Random123.
    #[test]
    fn known_answers_of_random123() {
        let check = |counter, key, expect: [u32; 4]| {
            assert_eq!(philox4x32_10(counter, key), expect);
        };
        check(
            [0; 4],
            [0; 2],
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
        );
        check(
            [u32::MAX; 4],
            [u32::MAX; 2],
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
        );
        check(
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        );
    }

    #[test]
    fn the_address_is_laid_out_as_documented() {
        assert_eq!(u64_at(0, 0, 0), 0xe169_c58d_6627_e8d5);
        assert_eq!(
            u64_at(
                0x299f_31d0_a409_3822,
                0x0370_7344_1319_8a2e,
                0x85a3_08d3_243f_6a88
            ),
            0x94fd_cceb_d16c_fe09
        );
    }

    #[test]
    fn units_lie_below_one_and_spread() {
        let units: Vec<f64> = (0..10_000).map(|index| unit_at(42, 7, index)).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = units.iter().sum::<f64>() / 10_000.0;
        // Five standard errors.
        assert!((mean - 0.5).abs() < 5.0 * 0.2887 / 100.0, "{mean}");
    }

    /// The thresholds against `1/e` times the partial sums of `1/k!`, in doubles.
    #[test]
    fn the_thresholds_are_poissons() {
        let mut term = std::f64::consts::E.recip();
        let mut cumulative = 0.0;
        for (threshold, next) in POISSON1_THRESHOLDS.into_iter().zip(1..) {
            cumulative += term;
            term /= f64::from(next);
            let given = threshold as f64 / 18_446_744_073_709_551_616.0;
            assert!((given - cumulative).abs() < 1e-15, "{next}");
        }
        assert!(POISSON1_THRESHOLDS.is_sorted());
    }

    #[test]
    fn counts_have_mean_and_variance_one() {
        let counts: Vec<f64> = (0..50_000)
            .map(|row| f64::from(poisson1_at(1, 3, row)))
            .collect();
        let mean = counts.iter().sum::<f64>() / 50_000.0;
        let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / 50_000.0;
        assert!((mean - 1.0).abs() < 0.023, "{mean}");
        assert!((variance - 1.0).abs() < 0.04, "{variance}");
    }
}
