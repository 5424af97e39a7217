"""Checks the documents against the files and the code: python3 scripts/check_docs.py [ROOT]

- A relative link names a file that exists, and its anchor a heading of that file.
- A path in backticks exists. A name such as `router.rs` or `snapshots/load.rs` is the end of the path of a source file.
- A name such as `Artifact::open` in docs/architecture.md, CONTRIBUTING.md and docs/maths.md is declared where `Artifact` is.
- Every metric and every environment variable of the programs is in docs/operations.md, and no other.
- American spelling, outside of code.

Prints one line for each fault. Cost: about two seconds; needs nothing but Python.
"""

import functools
import re
import subprocess
import sys
from pathlib import Path

# Folders of the project beside the members of the workspace.
FOLDERS = ("console", "docs", "scripts", "examples", "k8s", ".ci")
# Documents whose names of functions and types must be current; decisions speak of their own time.
CURRENT = ("docs/architecture.md", "CONTRIBUTING.md", "docs/maths.md")
# Names that documents use for files of a user.
OWN_FILES = {"build.rs", "bring.py"}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)
BRITISH = re.compile(
    r"\b(?:\w*(?:neighbour|catalogue|behaviour|colour|favour|honour|licence|labelled|modelled|travelled|artefact)\w*"
    r"|(?:normal|regular|random|vector|optim|organ|recogn|real|serial|general|minim|maxim|categor|factor|neutral|initial)is"
    r"(?:e[ds]?|ing|ations?|er)|centred?|towards|grey|whilst|judgement|acknowledgement)\b",
    re.IGNORECASE,
)


def slug(heading):
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def listed(root):
    """The project's files, as git knows them; without git all but what is built."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        known = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True).stdout
        return known.splitlines()
    except (OSError, subprocess.CalledProcessError):
        built = {".git", "target", "var", ".venv"}
        parts = (path.relative_to(root).parts for path in root.rglob("*"))
        return ["/".join(part) for part in parts if part[0] not in built and "__pycache__" not in part]


class Project:
    """The files under version control and what they declare."""

    def __init__(self, root):
        self.root = root
        self.files = sorted(file for file in set(listed(root)) if (root / file).is_file())
        self.documents = [file for file in self.files if file.endswith(".md")]
        self.ends = {"/".join(parts[n:]) for parts in (f.split("/") for f in self.files) for n in range(len(parts))}
        members = re.search(r"^members\s*=\s*\[(.*?)\]", self.read("Cargo.toml"), re.MULTILINE | re.DOTALL)
        self.members = re.findall(r'"([^"]+)"', members[1])
        self.sources = [f for f in self.files if f.endswith(".rs") and f.startswith(tuple(f"{m}/" for m in self.members))]
        self.programs = "\n".join(self.read(f) for f in self.sources if "/src/" in f)

    @functools.cache
    def read(self, file):
        return (self.root / file).read_text(encoding="utf-8")

    @functools.cache
    def anchors(self, file):
        return {slug(heading) for heading in HEADING.findall(FENCE.sub("", self.read(file)))}

    @functools.cache
    def declares(self, owner, name):
        """Whether a file that declares or implements `owner`, or is the module `owner`, declares `name`."""
        owns = re.compile(rf"\b(?:struct|enum|trait)\s+{owner}\b|\bimpl\b[^{{;]*\b{owner}\b")
        declares = re.compile(
            rf"\b(?:fn|struct|enum|trait|type|const|static|mod)\s+{name}\b|^\s*(?:pub(?:\([^)]*\))?\s+)?{name}\s*[:({{,]",
            re.MULTILINE,
        )
        for file in self.sources:
            if file.endswith((f"/{owner}.rs", f"/{owner}/mod.rs")) or owns.search(self.read(file)):
                if declares.search(self.read(file)):
                    return True
        return False


def faults_of_links(project, file, text):
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (project.root / file).parent / path if path else project.root / file
        if not found.exists():
            yield f"the link {target} names no file"
        elif anchor and found.suffix == ".md":
            name = found.resolve().relative_to(project.root).as_posix()
            if anchor not in project.anchors(name):
                yield f"the link {target} names no heading of {name}"


def faults_of_paths(project, text):
    for code in CODE.findall(text):
        name = code.strip().rstrip("/")
        if not re.fullmatch(r"[\w.\-/]+", name):
            continue
        if "/" in name and name.split("/")[0] in (*project.members, *FOLDERS):
            if not (project.root / name).exists():
                yield f"`{code}` does not exist"
        elif name.endswith((".rs", ".lua")) and name not in OWN_FILES and name not in project.ends:
            yield f"`{code}` is the end of no source file's path"


def faults_of_names(project, text):
    for code in CODE.findall(text):
        if re.fullmatch(r"(?:\w+::)+\w+(?:\(\))?", code):
            *_, owner, name = code.removesuffix("()").split("::")
            if owner not in ("crate", *project.members) and not project.declares(owner, name):
                yield f"`{code}`: {owner} declares no `{name}`"


def faults_of_spelling(text):
    for word in BRITISH.findall(CODE.sub("", text)):
        yield f"{word}: American spelling, please"


def faults_of_operations(project):
    text = project.read("docs/operations.md")
    for kind, pattern in [("metric", r"\bqianmian_[a-z_]+[a-z]\b"), ("variable", r"\bQIANMIAN_[A-Z_]+[A-Z]\b")]:
        known = set(re.findall(rf'"({pattern})"', project.programs))
        known -= {f"qianmian_{member}" for member in project.members}
        told = set(re.findall(pattern, text))
        for name in sorted(known - told):
            yield f"the {kind} {name} is not in it"
        for name in sorted(told - known):
            if not any(name == f"{other}_{end}" for other in known for end in ("sum", "count", "bucket")):
                yield f"the {kind} {name} is in no program"


def main():
    project = Project(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    faults = []
    for file in project.documents:
        text = FENCE.sub("", project.read(file))
        found = [*faults_of_links(project, file, text), *faults_of_paths(project, text), *faults_of_spelling(text)]
        found += faults_of_names(project, text) if file in CURRENT else []
        faults += [f"{file}: {fault}" for fault in found]
    faults += [f"docs/operations.md: {fault}" for fault in faults_of_operations(project)]
    for fault in faults:
        print(f"check-docs: {fault}")
    if faults:
        sys.exit(f"check-docs: FAILED: {len(faults)} faults in {len(project.documents)} documents")
    print(f"check-docs: {len(project.documents)} documents agree with {len(project.files)} files")


if __name__ == "__main__":
    main()
