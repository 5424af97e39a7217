"""Checks the Kubernetes manifests without a cluster: python3 scripts/check_k8s.py [FOLDER]

Every YAML file below FOLDER (default: k8s) must parse without a repeated key, and every resource must
fit the schema of its kind strictly, so that an unknown field is an error. Every file must be named by
the kustomization beside it. Where kubectl or kustomize is installed, each kustomization is also
rendered and the result checked. Called by check-k8s.sh, which installs what this imports.
"""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

# The oldest version with everything that the manifests use (the sleep of preStop), and the newest known.
VERSIONS = ["1.30", "1.37"]
KUSTOMIZATION_FIELDS = {
    "apiVersion", "kind", "namespace", "labels", "resources", "images", "replicas", "patches", "components",
    "configMapGenerator", "secretGenerator", "generatorOptions",
}


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML as Kubernetes reads it, except that a repeated key is an error."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen and key != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"repeated key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def documents(text):
    return [document for document in yaml.load_all(text, Loader=UniqueKeyLoader) if document is not None]


def flaws_of_resource(resource):
    """Faults of one resource by the schemas, as text; empty if there are none."""
    if not isinstance(resource, dict) or not {"apiVersion", "kind", "metadata"} <= resource.keys():
        return ["no resource: apiVersion, kind and metadata are needed"]
    flaws = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(step) for step in error.path) or "(top)"
            flaws.append(f"Kubernetes {version}: {where}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            flaws.append(f"Kubernetes {version}: {error.message}")
    return flaws


def name_of(resource):
    return f"{resource.get('kind')}/{resource.get('metadata', {}).get('name')}"


def flaws_of_kustomization(path, kustomization):
    flaws = [f"unknown field {field}" for field in sorted(kustomization.keys() - KUSTOMIZATION_FIELDS)]
    patches = [patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
    named = kustomization.get("resources", []) + patches
    flaws += [f"{name} does not exist" for name in named if not (path.parent / name).exists()]
    present = {file.name for file in path.parent.glob("*.yaml")} - {path.name}
    return flaws + [f"{name} is not named in it" for name in sorted(present - set(named))]


def flaws_of_file(path):
    try:
        resources = documents(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return [str(error)]
    if not resources:
        return ["holds nothing"]
    if path.name == "kustomization.yaml":
        return flaws_of_kustomization(path, resources[0])
    return [f"{name_of(resource)}: {flaw}" for resource in resources for flaw in flaws_of_resource(resource)]


def render_command():
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    return ["kubectl", "kustomize"] if shutil.which("kubectl") else None


def flaws_of_rendering(command, folder):
    rendered = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    if rendered.returncode != 0:
        return [f"cannot be rendered: {rendered.stderr.strip()}"]
    resources = documents(rendered.stdout)
    return [f"{name_of(resource)}: {flaw}" for resource in resources for flaw in flaws_of_resource(resource)]


def prove_that_typos_are_caught(deployment):
    """A check that accepts anything is worse than none: one wrong letter deep inside must be refused."""
    broken = copy.deepcopy(deployment)
    container = broken["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["readOnlyRootFilesytem"] = True
    flaws = flaws_of_resource(broken)
    if len(flaws) != len(VERSIONS) or "readOnlyRootFilesytem" not in flaws[0]:
        sys.exit("check-k8s: FAILED: a misspelt field was not refused, so this check proves nothing")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "k8s")
    files = sorted(root.rglob("*.yaml"))
    flaws = [(path, flaw) for path in files for flaw in flaws_of_file(path)]
    command = render_command()
    folders = [path.parent for path in files if path.name == "kustomization.yaml"]
    if command:
        flaws += [(folder, flaw) for folder in folders for flaw in flaws_of_rendering(command, folder)]
    else:
        print("check-k8s: SKIPPED rendering: neither kustomize nor kubectl is installed")
    for path, flaw in flaws:
        print(f"check-k8s: {path}: {flaw}")
    if flaws or not files:
        sys.exit(f"check-k8s: FAILED: {len(flaws)} flaws in {len(files)} files")
    prove_that_typos_are_caught(documents((root / "base/deployment.yaml").read_text(encoding="utf-8"))[0])
    how = f", {len(folders)} kustomizations rendered" if command else ""
    print(f"check-k8s: {len(files)} files fit Kubernetes {' and '.join(VERSIONS)}{how}; a misspelt field is refused")


if __name__ == "__main__":
    main()
