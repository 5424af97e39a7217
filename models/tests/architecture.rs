//! The arrows of `docs/architecture.md`: the allowed imports between crates, and no import cycle between files of
//! different folders.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates that each crate may import.
const ARROWS: [(&str, &[&str]); 7] = [
    ("money", &[]),
    ("suggest", &[]),
    ("models", &["money", "suggest"]),
    ("live", &["money", "suggest"]),
    ("loadtest", &[]),
    ("server", &["live", "models", "money", "suggest"]),
    ("trainer", &["models", "money", "suggest"]),
];

/// Cycles that still exist, each by one of its files: `(crate, file)`. Remove an entry once its cycle is gone; add
/// none.
const STANDING: &[(&str, &str)] = &[("trainer", "orders/summary.rs"), ("trainer", "evaluate/mod.rs")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files of a crate by path below `src`, without unit tests and comments.
fn sources(krate: &str) -> BTreeMap<PathBuf, String> {
    let src = root().join(krate).join("src");
    let (mut folders, mut files) = (vec![src.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                files.insert(
                    path.strip_prefix(&src).unwrap().to_owned(),
                    lines.collect::<Vec<_>>().join("\n"),
                );
            }
        }
    }
    files
}

/// The paths that a file names: every one of its `use` declarations, and paths in code that begin with `crate`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let starts = rest[..at].ends_with(['\n', ' ', ')']) || at == 0;
        rest = &rest[at + 4..];
        if let (true, Some(end)) = (starts, rest.find(';')) {
            expand(&rest[..end], &[], &mut paths);
        }
    }
    for (at, _) in code.match_indices("crate::") {
        let path = code[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap();
        paths.push(path.split("::").map(str::to_owned).collect());
    }
    paths
}

/// Takes the braces of a `use` declaration apart.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, rest)) => (head, rest.rsplit_once('}').map(|(inner, _)| inner)),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let names = head.trim().split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let path: Vec<String> = before.iter().cloned().chain(names).collect();
    let Some(inner) = group else { return paths.push(path) };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&inner[start..at], &path, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The path of the module that a file is.
fn module(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|last| last == "mod" || last == "lib" || last == "main") {
        names.pop();
    }
    names
}

/// The file of the module that a path leads to, seen from `file`.
fn resolve(files: &BTreeMap<PathBuf, String>, file: &Path, path: &[String]) -> Option<PathBuf> {
    let own = module(file);
    let (first, rest) = path.split_first()?;
    let mut at: Vec<String> = match first.as_str() {
        "crate" => Vec::new(),
        "self" => own,
        "super" => own[..own.len().checked_sub(1)?].to_vec(),
        _ => [own, vec![first.clone()]].concat(),
    };
    let mut rest = rest;
    while let Some(("super", further)) = rest.split_first().map(|(name, further)| (name.as_str(), further)) {
        at.pop();
        rest = further;
    }
    let file_of = |names: &[String]| {
        let folder: PathBuf = names.iter().collect();
        [folder.with_extension("rs"), folder.join("mod.rs")].into_iter().find(|path| files.contains_key(path))
    };
    let mut found = file_of(&at);
    for name in rest {
        at.push(name.clone());
        match file_of(&at) {
            Some(deeper) => found = Some(deeper),
            None => break,
        }
    }
    found.filter(|found| found != file)
}

/// Every file with all files that it imports, directly or not.
fn reach(imports: &BTreeMap<PathBuf, BTreeSet<PathBuf>>, from: &Path) -> BTreeSet<PathBuf> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = next.pop() {
        for to in imports.get(&file).into_iter().flatten() {
            if seen.insert(to.clone()) {
                next.push(to.clone());
            }
        }
    }
    seen
}

/// The cycles of a crate that hold files of different folders, each as a sorted list of files.
fn circles(krate: &str) -> BTreeSet<Vec<PathBuf>> {
    let files = sources(krate);
    let imports: BTreeMap<PathBuf, BTreeSet<PathBuf>> = files
        .iter()
        .map(|(file, code)| {
            let to = paths(code).iter().filter_map(|path| resolve(&files, file, path)).collect();
            (file.clone(), to)
        })
        .collect();
    let reached: BTreeMap<&PathBuf, BTreeSet<PathBuf>> =
        files.keys().map(|file| (file, reach(&imports, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, to) in &reached {
        let circle: Vec<PathBuf> = to
            .iter()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(*file)))
            .cloned()
            .collect();
        // A folder's `mod.rs` stands for the folder, which is no other one.
        let folders: BTreeSet<_> = circle.iter().map(|file| file.parent().map(Path::to_owned)).collect();
        if folders.len() > 1 {
            circles.insert(circle);
        }
    }
    circles
}

#[test]
fn no_circle_of_imports_crosses_folders() {
    for (krate, _) in ARROWS {
        for circle in circles(krate) {
            let stands = circle.iter().any(|file| {
                STANDING.iter().any(|(of, named)| *of == krate && file.to_string_lossy() == *named)
            });
            assert!(stands, "{krate}: these files import each other in a circle: {circle:?}");
        }
    }
}

#[test]
fn crates_import_only_what_the_arrows_allow() {
    for (krate, allowed) in ARROWS {
        for (file, code) in sources(krate) {
            for path in paths(&code) {
                let Some(other) = path[0].strip_prefix("qianmian_") else { continue };
                let may = other == krate || allowed.contains(&other);
                assert!(may, "{krate}/src/{} imports {other}, which no arrow allows", file.display());
            }
        }
    }
}

#[test]
fn imports_are_read_from_braces_and_paths() {
    let code =
        "use crate::a::{self, b::{C, d}, e};\npub(crate) use super::f::G as H;\nfn x() { crate::i::j(); }";
    let read: Vec<String> = paths(code).iter().map(|path| path.join("::")).collect();
    for path in
        ["crate::a::self", "crate::a::b::C", "crate::a::b::d", "crate::a::e", "super::f::G", "crate::i::j"]
    {
        assert!(read.iter().any(|read| read == path), "{path} in {read:?}");
    }
}
