//! The console's files: limits of their size, and restrictions of the page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Answer, Running, served};
use hyper::Method;
use sha2::Digest;

/// Largest size of the whole console, compressed, in bytes.
const MOST_BYTES: usize = 150 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../console")
}

/// Every file below the console's folder, as a path in it.
fn files(below: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned()),
        }
    }
    found
}

async fn zipped(running: &Running, file: &str) -> Answer {
    running.send(Method::GET, &format!("/console/{file}"), &[("accept-encoding", "gzip")], "").await
}

#[tokio::test]
async fn the_console_weighs_at_most_150_kilobytes() {
    let running = served().await;
    let mut total = 0;
    for file in files(&folder()) {
        let answer = zipped(&running, &file).await;
        assert_eq!(answer.status, 200, "{file}");
        total += answer.body.len();
    }
    assert!((10_000..MOST_BYTES).contains(&total), "{total}");
}

#[tokio::test]
async fn a_file_has_its_type_its_tag_and_the_policy() {
    let running = served().await;
    for (file, media) in [
        ("", "text/html"),
        ("js/main.js", "text/javascript"),
        ("console.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let answer = zipped(&running, file).await;
        assert_eq!(answer.header("content-type"), media);
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        let tag = answer.header("etag").to_owned();
        let path = format!("/console/{file}");
        let known =
            running.send(Method::GET, &path, &[("if-none-match", &format!("\"x\", {tag}"))], "").await;
        assert_eq!((known.status.as_u16(), known.body.len(), known.header("etag")), (304, 0, tag.as_str()));
        let other = running.send(Method::GET, &path, &[("if-none-match", "\"x\"")], "").await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test]
async fn the_console_has_no_other_files() {
    let running = served().await;
    assert_eq!(running.get("/console").await.header("location"), "console/");
    for path in
        ["nothing.js", "js", "../server/Cargo.toml", "%2e%2e/server/Cargo.toml", "..%2fserver%2fCargo.toml"]
    {
        assert_eq!(running.get(&format!("/console/{path}")).await.status, 404, "{path}");
    }
}

#[test]
fn own_scripts_never_parse_text_as_markup() {
    for file in files(&folder()).iter().filter(|file| !file.starts_with("vendor/")) {
        let text = fs::read_to_string(folder().join(file)).unwrap();
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " style=\"",
        ] {
            assert!(!text.contains(forbidden), "{file} has {forbidden}");
        }
        // Under a sub-path, only relative addresses work.
        for absolute in ["src=\"/", "href=\"/", "from '/", "import('/"] {
            assert!(!text.contains(absolute), "{file} has {absolute}");
        }
    }
}

#[test]
fn vendored_files_are_those_of_their_list() {
    let list = fs::read_to_string(folder().join("../docs/decisions/0106-console.md")).unwrap();
    let vendored: Vec<String> =
        files(&folder()).into_iter().filter(|file| file.starts_with("vendor/")).collect();
    assert!(vendored.len() >= 3);
    for file in vendored {
        let digest = sha2::Sha256::digest(fs::read(folder().join(&file)).unwrap());
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            list.contains(&format!("| `console/{file}` | `{hash}` |")),
            "| `console/{file}` | `{hash}` |"
        );
    }
}
