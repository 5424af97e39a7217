//! Shares of a best score, `0..=1`, in 16 bits: a source's scores count relative to its best in an answer anyway.

/// A share as a whole number of 1/65535; above 0 stays above 0.
pub fn encode(share: f32) -> u16 {
    (share * f32::from(u16::MAX)).ceil() as u16
}

/// The share of such a number.
#[inline(always)]
pub fn decode(share: u16) -> f32 {
    f32::from(share) / f32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back_within_a_unit_and_never_as_zero() {
        for share in [0.0, 1e-9, 0.1, 0.5, 0.999_99, 1.0] {
            let back = decode(encode(share));
            assert!(back >= share && back - share <= 1.0 / 65_535.0 + 1e-7, "{share}: {back}");
        }
        assert_eq!((encode(0.0), decode(u16::MAX)), (0, 1.0));
    }
}
