"""Checks that the image can be built from its context: python3 scripts/check_context.py [ROOT]

Copies what k8s/Dockerfile.dockerignore leaves into an empty folder and checks there, without compiling, that the
context holds Cargo.lock, that `cargo metadata` finds every member of the workspace with its targets, and that every
file exists that a source file declares (`mod`) or embeds (`include_str!`, `include_bytes!`, `include!`, `#[folder]`).
Then it drops each entry (`!name`) of the ignore file in turn: the check has to fail, or it proves nothing.

Cost: about a second. Needs cargo, no network and no container engine.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IGNORE_FILE = "k8s/Dockerfile.dockerignore"
# Folders of the project's root that are built or installed, never sources.
GENERATED = {".git", "target", "var", ".venv"}

INCLUDED = re.compile(r'include(?:_str|_bytes)?!\(\s*"([^"]+)"\s*\)')
EMBEDDED = re.compile(r'#\[folder\s*=\s*"([^"]+)"\]|include_dir!\(\s*"\$CARGO_MANIFEST_DIR/([^"]+)"\s*\)')
DECLARED = re.compile(r'^\s*(?:#\[path\s*=\s*"([^"]+)"\]\s*)?(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+);', re.MULTILINE)


def patterns(text):
    """The lines of an ignore file as (keeps, regular expression); the last one that matches a path decides."""
    found = []
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            keeps = line.startswith("!")
            parts = re.split(r"(\*\*/?|\*|\?)", line.lstrip("!").strip("/"))
            glob = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
            body = "".join(glob.get(part, re.escape(part)) for part in parts)
            # A pattern that matches a folder matches everything below it.
            found.append((keeps, re.compile(f"{body}(?:/.*)?")))
    return found


def is_kept(path, rules):
    kept = True
    for keeps, pattern in rules:
        if pattern.fullmatch(path):
            kept = keeps
    return kept


def sources(root):
    """Files of the project below `root`, as relative paths with forward slashes."""
    for folder, folders, files in os.walk(root):
        top = Path(folder) == root
        folders[:] = sorted(f for f in folders if f != "__pycache__" and not (top and f in GENERATED))
        yield from (Path(folder, file).relative_to(root).as_posix() for file in files)


def flaws_of_source(file, text, package):
    """Files that `file` needs for a build and that do not exist beside it."""
    inner = [file.parent] if file.stem in ("mod", "lib", "main") or file.parent.name == "bin" else []
    inner.append(file.parent / file.stem)
    for given, name in DECLARED.findall(text):
        wanted = [file.parent / given] if given else [f / end for f in inner for end in (f"{name}.rs", f"{name}/mod.rs")]
        if not any(path.exists() for path in wanted):
            yield f"{file}: module `{name}` has no file"
    for name in INCLUDED.findall(text):
        if not (file.parent / name).exists():
            yield f"{file}: includes {name}, which is not in the context"
    for folder in EMBEDDED.findall(text):
        if not (package / (folder[0] or folder[1])).exists():
            yield f"{file}: embeds {folder[0] or folder[1]}, which is not in the context"


def flaws(root, rules, files):
    """What keeps the programs from being built out of the context that `rules` leave of `files`."""
    with tempfile.TemporaryDirectory() as name:
        context = Path(name)
        for path in files:
            if is_kept(path, rules):
                (context / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / path, context / path)
        if not (context / "Cargo.lock").exists():
            return ["Cargo.lock is not in the context"]
        cargo = [os.environ.get("CARGO", "cargo"), "metadata", "--no-deps", "--offline", "--format-version", "1"]
        read = subprocess.run(cargo, cwd=context, capture_output=True, text=True, check=False)
        if read.returncode != 0:
            return [read.stderr.strip()]
        found = []
        for manifest in sorted(context.glob("*/Cargo.toml")):
            for file in sorted((manifest.parent / "src").rglob("*.rs")):
                text = file.read_text(encoding="utf-8")
                found += [flaw.replace(f"{context}/", "") for flaw in flaws_of_source(file, text, manifest.parent)]
        return found


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    rules = patterns((root / IGNORE_FILE).read_text(encoding="utf-8"))
    files = list(sources(root))
    found = flaws(root, rules, files)
    for flaw in found:
        print(f"check-context: {flaw}")
    if found:
        sys.exit(f"check-context: FAILED: the image cannot be built from what {IGNORE_FILE} leaves")
    for dropped, (keeps, pattern) in enumerate(rules):
        if keeps and not flaws(root, rules[:dropped] + rules[dropped + 1 :], files):
            sys.exit(f"check-context: FAILED: {pattern.pattern} is not needed, or its absence is not noticed")
    kept = sum(is_kept(path, rules) for path in files)
    print(f"check-context: {kept} files are enough to build the image; without any one of the entries of {IGNORE_FILE} they are not")


if __name__ == "__main__":
    main()
