//! Imports have no cycles: no two modules of the trainer import each other, directly or indirectly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// All source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// By module of the crate root, the modules that its files import.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&root).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
        let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let of_module = imports.entry(module.clone()).or_default();
        of_module.extend(named.filter(|name| !name.is_empty() && *name != module));
    }
    imports
}

#[test]
fn modules_of_the_trainer_have_no_import_circle() {
    let mut imports = imports();
    assert!(imports["train"].contains("learn") && imports["evaluate"].contains("train"), "{imports:?}");
    for root in ["lib", "main"] {
        imports.remove(root);
    }
    // Modules that import no remaining module are removed until only those in cycles remain.
    while let Some(leaf) = imports
        .iter()
        .find(|(_, of)| of.iter().all(|name| !imports.contains_key(name)))
        .map(|(module, _)| module.clone())
    {
        imports.remove(&leaf);
    }
    assert!(imports.is_empty(), "these modules import each other in a circle: {imports:#?}");
}
