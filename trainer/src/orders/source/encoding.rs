//! Detects the encoding of a text and decodes it to UTF-8.
//!
//! The encoding is detected from a byte order mark, from zeros between the letters (UTF-16), or from the bytes around
//! the first letter that is not ASCII. UTF-8 is passed through unchanged, so that an invalid row is noticed.

use encoding_rs::{Decoder, EUC_JP, Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{self, BufRead, Read};

/// Length in bytes of the sample, the first one with a letter that is not ASCII.
const SAMPLE: usize = 64 << 10;

/// Most bytes that are searched for such a letter.
const SEARCH: usize = 64 << 20;

/// The encoding of a text, with the length of its byte order mark.
///
/// # Errors
/// Fails on an I/O error.
pub fn detect(text: &mut dyn Read) -> io::Result<(&'static Encoding, usize)> {
    let mut sample = Vec::new();
    text.take(SAMPLE as u64).read_to_end(&mut sample)?;
    if let Some((encoding, mark)) = Encoding::for_bom(&sample) {
        return Ok((encoding, mark));
    }
    if let Some(encoding) = wide(&sample) {
        return Ok((encoding, 0));
    }
    let mut seen = sample.len();
    let mut complete = seen < SAMPLE;
    while sample.is_ascii() && !complete && seen < SEARCH {
        sample.clear();
        text.take(SAMPLE as u64).read_to_end(&mut sample)?;
        complete = sample.len() < SAMPLE;
        seen += sample.len();
    }
    Ok((narrow(&sample), 0))
}

/// Detects UTF-16 without a byte order mark: every other byte of ASCII letters is zero.
fn wide(sample: &[u8]) -> Option<&'static Encoding> {
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let half = sample.len() / 2;
    if half == 0 {
        return None;
    }
    let (even, odd) = (zeros(0), zeros(1));
    if odd * 3 > half && even == 0 {
        Some(UTF_16LE)
    } else if even * 3 > half && odd == 0 {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn narrow(sample: &[u8]) -> &'static Encoding {
    let (letters, broken) = utf8_letters(sample);
    if broken == 0 || letters >= 10 * broken {
        return UTF_8;
    }
    let mut detector = chardetng::EncodingDetector::new();
    detector.feed(sample, true);
    let guess = detector.guess(None, false);
    // Short Chinese texts can be mistaken for a single-byte code page, or for Japanese without kana.
    if (guess.is_single_byte() || guess == EUC_JP) && looks_chinese(sample) {
        return GB18030;
    }
    // GB18030 is a superset of GBK.
    if guess == GBK { GB18030 } else { guess }
}

/// True if nearly all non-ASCII bytes form pairs in the range of the frequent characters of GB2312.
fn looks_chinese(sample: &[u8]) -> bool {
    let (mut frequent, mut others, mut at) = (0, 0, 0);
    while at < sample.len() {
        match (sample[at], sample.get(at + 1)) {
            (byte, _) if byte.is_ascii() => at += 1,
            (0xa1..=0xa3 | 0xb0..=0xd7, Some(0xa1..=0xfe)) => {
                frequent += 1;
                at += 2;
            }
            // The end of the sample may split a pair.
            (_, None) => at += 1,
            _ => {
                others += 1;
                at += 2;
            }
        }
    }
    frequent >= 2 && others * 10 <= frequent
}

/// The number of non-ASCII letters in valid UTF-8, and of invalid sequences. A letter cut off at the end is neither.
fn utf8_letters(sample: &[u8]) -> (usize, usize) {
    let (mut letters, mut broken, mut rest) = (0, 0, sample);
    let count = |text: &str| text.chars().filter(|c| !c.is_ascii()).count();
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => return (letters + count(text), broken),
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                letters += std::str::from_utf8(good).map_or(0, count);
                let Some(length) = error.error_len() else { return (letters, broken) };
                broken += 1;
                rest = &bad[length..];
            }
        }
    }
}

/// Decodes its input to UTF-8; sequences invalid in the encoding become U+FFFD.
pub struct Decoded<R> {
    input: R,
    decoder: Decoder,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: BufRead> Decoded<R> {
    /// Reads `input` from after its byte order mark.
    pub fn new(input: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Self { input, decoder, text: Vec::new(), given: 0, ended: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        let source = self.input.fill_buf()?;
        let last = source.is_empty();
        let room = self.decoder.max_utf8_buffer_length(source.len()).unwrap_or(source.len() * 3 + 16);
        self.text.resize(room, 0);
        let (_, read, written, _) = self.decoder.decode_to_utf8(source, &mut self.text, last);
        self.text.truncate(written);
        self.input.consume(read);
        (self.given, self.ended) = (0, last);
        Ok(())
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.fill()?;
        }
        let rest = &self.text[self.given..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Decoded, detect};
    use encoding_rs::{BIG5, Encoding, GB18030, SHIFT_JIS, UTF_8, UTF_16LE, WINDOWS_1252};
    use std::io::Read;

    fn told(bytes: &[u8]) -> &'static Encoding {
        detect(&mut &bytes[..]).unwrap().0
    }

    #[test]
    fn an_encoding_is_told_by_its_bytes() {
        let rows = |text: &str| text.repeat(30);
        let of = |encoding: &'static Encoding, text: &str| encoding.encode(&rows(text)).0.into_owned();
        assert_eq!(told(rows("订单,tea\n").as_bytes()), UTF_8);
        assert_eq!(told(&of(GB18030, "订单编号,买家会员名,交易成功\n")), GB18030);
        assert_eq!(told(&GB18030.encode("id,名称\n1,绿茶\n2,红茶\n").0), GB18030);
        assert_eq!(told(&of(BIG5, "訂單編號,會員編號,商品名稱\n")), BIG5);
        assert_eq!(told(&of(SHIFT_JIS, "注文番号,お客様,ありがとうございます\n")), SHIFT_JIS);
        assert_eq!(told(&of(WINDOWS_1252, "Größe,café,à la carte\n")), WINDOWS_1252);
        let wide: Vec<u8> = rows("order,item\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(told(&wide), UTF_16LE);
    }

    #[test]
    fn a_broken_row_does_not_make_a_file_another_encoding() {
        let mut bytes = "茶,杯子,面\n".repeat(20).into_bytes();
        bytes.extend_from_slice(b"\xc3\xfb\n");
        assert_eq!(told(&bytes), UTF_8);
    }

    #[test]
    fn letters_far_behind_the_beginning_tell_too() {
        let mut bytes = b"order_id,item_id\n".repeat(10_000);
        bytes.extend_from_slice(&GB18030.encode(&"绿茶,红茶,已取消\n".repeat(9)).0);
        assert_eq!(told(&bytes), GB18030);
    }

    #[test]
    fn decoded_text_is_utf_8_whatever_the_buffers() {
        let text = "订单编号,面\n".repeat(500);
        let (bytes, _, _) = GB18030.encode(&text);
        let small = std::io::BufReader::with_capacity(7, &bytes[..]);
        let mut got = String::new();
        Decoded::new(small, GB18030).read_to_string(&mut got).unwrap();
        assert_eq!(got, text);
    }
}
