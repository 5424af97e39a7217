//! Fast CSV: bytes appended to a buffer, without quoting. No text of the demo shop has a comma, a quote or a line
//! break, which the tests of the tables check.

/// Appends a number in decimal digits, with zeros in front up to `width`.
pub fn digits(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut at = text.len();
    let mut rest = number;
    while rest > 0 {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let from = at.min(text.len() - width.clamp(1, text.len()));
    out.extend_from_slice(&text[from..]);
}

/// Appends fen as yuan: 1290 becomes `12.90`.
pub fn yuan(out: &mut Vec<u8>, fen: u32) {
    digits(out, u64::from(fen / 100), 1);
    out.push(b'.');
    digits(out, u64::from(fen % 100), 2);
}

/// Appends degrees with five decimals, about a meter.
pub fn degrees(out: &mut Vec<u8>, degrees: f32) {
    let scaled = (f64::from(degrees) * 1e5).round() as i64;
    if scaled < 0 {
        out.push(b'-');
    }
    digits(out, scaled.unsigned_abs() / 100_000, 1);
    out.push(b'.');
    digits(out, scaled.unsigned_abs() % 100_000, 5);
}

/// Appends `THH:MM:SSZ` for a second of the day.
pub fn time_of_day(out: &mut Vec<u8>, second: u32) {
    out.push(b'T');
    digits(out, u64::from(second / 3_600), 2);
    out.push(b':');
    digits(out, u64::from(second / 60 % 60), 2);
    out.push(b':');
    digits(out, u64::from(second % 60), 2);
    out.push(b'Z');
}

/// Appends bytes as lower-case hexadecimal.
pub fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn numbers_are_padded_and_never_cut() {
        assert_eq!(written(|o| digits(o, 0, 1)), "0");
        assert_eq!(written(|o| digits(o, 42, 5)), "00042");
        assert_eq!(written(|o| digits(o, 123_456, 3)), "123456");
        assert_eq!(written(|o| digits(o, u64::MAX, 1)), "18446744073709551615");
    }

    #[test]
    fn prices_places_times_and_hex_read_as_expected() {
        assert_eq!(written(|o| yuan(o, 1_290)), "12.90");
        assert_eq!(written(|o| yuan(o, 5)), "0.05");
        assert_eq!(written(|o| degrees(o, 31.25)), "31.25000");
        assert_eq!(written(|o| degrees(o, -0.5)), "-0.50000");
        assert_eq!(written(|o| time_of_day(o, 45_296)), "T12:34:56Z");
        assert_eq!(written(|o| hex(o, &[0, 171])), "00ab");
    }
}
