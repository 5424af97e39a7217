//! Reading a request's body: its declared type, its content coding, its bounds of length and time.
//!
//! A body may be compressed by gzip, deflate or zstd. `limits.body_bytes` bounds it as it arrives and decompressed, so
//! that a small body cannot expand to a large one. A leading byte order mark is dropped.

use std::io::Read;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::app::App;
use crate::problem::{Code, Problem};

/// Content codings that are read, as `Accept-Encoding` lists them.
const CODINGS: &str = "gzip, deflate, zstd";
/// Largest window of zstd, 8 MiB, as RFC 8878 recommends for HTTP: it bounds the memory for unpacking.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The content coding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

/// The whole body, decompressed.
///
/// # Errors
/// `body_too_large`, `body_timeout`, `unsupported_media_type` for an unknown coding, `invalid_request` for a body that
/// ended early or cannot be decompressed.
pub async fn read(request: Request, app: &App) -> Result<Bytes, Problem> {
    let coding = coding(request.headers())?;
    let arrived = arrived(request, app).await?;
    let body = match coding {
        Coding::Identity => arrived,
        coding => unpacked(coding, &arrived, app.body_bytes)?.into(),
    };
    Ok(if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body })
}

/// The declared media type, in lower case and without parameters; empty if none is declared.
pub fn media_type(headers: &HeaderMap) -> String {
    let Some(declared) = headers.get(header::CONTENT_TYPE) else { return String::new() };
    let declared = String::from_utf8_lossy(declared.as_bytes());
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    let declared: Vec<String> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes()).split(',').map(str::to_owned).collect::<Vec<_>>()
        })
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    match declared.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Coding::Identity),
        ["gzip" | "x-gzip"] => Ok(Coding::Gzip),
        ["deflate"] => Ok(Coding::Deflate),
        ["zstd"] => Ok(Coding::Zstd),
        _ => {
            let detail = "a body may be packed once, by gzip, deflate or zstd";
            Err(Problem::new(Code::UnsupportedMediaType, detail).accepted_encodings(CODINGS))
        }
    }
}

/// The body as it arrives, within the bounds of length and time.
async fn arrived(request: Request, app: &App) -> Result<Bytes, Problem> {
    if declared_length(request.headers()).is_some_and(|length| length > app.body_bytes as u64) {
        return Err(too_large(app.body_bytes));
    }
    let body = Limited::new(request.into_body(), app.body_bytes).collect();
    match tokio::time::timeout(app.patience.mul_f64(0.9), body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(app.body_bytes)),
        Ok(Err(_)) => Err(Problem::new(Code::InvalidRequest, "the body ended too early")),
        Err(_) => Err(Problem::new(Code::BodyTimeout, "send the body faster, or less of it")),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(most: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("a body may be {most} bytes long, unpacked"))
}

fn unpacked(coding: Coding, packed: &[u8], most: usize) -> Result<Vec<u8>, Problem> {
    let unpacked = match coding {
        Coding::Identity => Ok(packed.to_vec()),
        Coding::Gzip => bounded(MultiGzDecoder::new(packed), most),
        // Deflate means zlib, but some senders omit its two bytes of header.
        Coding::Deflate => {
            bounded(ZlibDecoder::new(packed), most).or_else(|_| bounded(DeflateDecoder::new(packed), most))
        }
        Coding::Zstd => zstd::stream::read::Decoder::new(packed).and_then(|mut decoder| {
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            bounded(decoder, most)
        }),
    };
    match unpacked {
        Ok(body) if body.len() > most => Err(too_large(most)),
        Ok(body) => Ok(body),
        Err(_) => {
            let detail = "the body is not packed as its `Content-Encoding` declares, or is cut off";
            Err(Problem::new(Code::InvalidRequest, detail))
        }
    }
}

/// At most one byte more than `most`, so that a longer body is recognized without decompressing it.
fn bounded(reader: impl Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    reader.take(most as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn packed(text: &[u8]) -> [(Coding, Vec<u8>); 4] {
        let level = Compression::default();
        let (mut gzip, mut zlib) = (GzEncoder::new(Vec::new(), level), ZlibEncoder::new(Vec::new(), level));
        let mut raw = DeflateEncoder::new(Vec::new(), level);
        for writer in [&mut gzip as &mut dyn Write, &mut zlib, &mut raw] {
            writer.write_all(text).unwrap();
        }
        [
            (Coding::Gzip, gzip.finish().unwrap()),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Deflate, raw.finish().unwrap()),
            (Coding::Zstd, zstd::encode_all(text, 3).unwrap()),
        ]
    }

    #[test]
    fn every_coding_is_unpacked_within_the_bound() {
        let text = "千面 ".repeat(1_000).into_bytes();
        for (coding, packed) in packed(&text) {
            assert_eq!(unpacked(coding, &packed, text.len()).unwrap(), text, "{coding:?}");
            let longer = unpacked(coding, &packed, text.len() - 1).unwrap_err();
            assert_eq!(longer.code(), Code::BodyTooLarge, "{coding:?}");
            let cut = unpacked(coding, &packed[..packed.len() / 2], text.len());
            assert_eq!(cut.unwrap_err().code(), Code::InvalidRequest, "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_is_too_large() {
        let bomb = vec![0; 50 << 20];
        for (coding, packed) in packed(&bomb) {
            assert!(packed.len() < 1 << 20, "{coding:?}");
            assert_eq!(
                unpacked(coding, &packed, 1 << 20).unwrap_err().code(),
                Code::BodyTooLarge,
                "{coding:?}"
            );
        }
    }

    #[test]
    fn other_codings_are_refused_with_those_that_are_read() {
        let of = |text: &'static str| {
            coding(&[(header::CONTENT_ENCODING, HeaderValue::from_static(text))].into_iter().collect())
        };
        assert_eq!(of("GZip").unwrap(), Coding::Gzip);
        assert_eq!(of("identity").unwrap(), Coding::Identity);
        for text in ["br", "gzip, gzip", "deflate, zstd"] {
            assert_eq!(of(text).unwrap_err().code(), Code::UnsupportedMediaType, "{text}");
        }
    }
}
