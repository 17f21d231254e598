"""The bill of materials: CycloneDX 1.6 with CPython, what is compiled in, libraries, packages, scripts."""

from __future__ import annotations

import hashlib
import json
import platform
import pyexpat
import re
import sqlite3
import ssl
import uuid
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from bundle import Tree
from debian import package_of

Component = dict[str, Any]
VENDOR = Path("praisonrun/web/page/vendor")
"""Scripts of others that the page for browsers has, with a table of them."""
_ROW = re.compile(r"^\| (\S+\.js) \| (\S+) (\S+) \| \S+ \| (\S+) \(\S+\) \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def write(tree: Tree, version: str, epoch: int, file: Path) -> Path:
    """Write the bill of a filled tree."""
    libraries = (_library(tree, name) for name in sorted(tree.origins))
    components = [*_runtime(), *libraries, *_packages(tree), *scripts(tree.site() / VENDOR)]
    text = json.dumps(components, sort_keys=True)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat(),
            "component": {"type": "application", "name": "praisonrun", "version": version},
        },
        "components": components,
    }
    file.write_text(json.dumps(bill, indent=1) + "\n")
    return file


def _runtime() -> list[Component]:
    """Return CPython and the libraries that it can name itself, wherever they are compiled in."""
    versions = {
        "CPython": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
        "SQLite": sqlite3.sqlite_version,
        "Expat": pyexpat.EXPAT_VERSION.removeprefix("expat_"),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    return [{"type": "library", "name": name, "version": version} for name, version in versions.items()]


def _library(tree: Tree, name: str) -> Component:
    """Return a copied library, with the Debian package that it is from where dpkg knows it."""
    content = (tree.root / "lib" / "so" / name).read_bytes()
    hashes = [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]
    shown: Component = {"type": "library", "name": name, "hashes": hashes}
    if package := package_of(tree.origins[name]):
        shown["version"] = package.version
        shown["purl"] = f"pkg:deb/debian/{package.name}@{package.version}?arch={package.architecture}"
    return shown


def _packages(tree: Tree) -> list[Component]:
    return [_package(folder, tree.bills(folder)) for folder in tree.packages()]


def scripts(vendor: Path) -> list[Component]:
    """Return the scripts of others, as their table names them; a test holds the table to the files."""
    return [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:npm/{name}@{version}",
            "licenses": [{"expression": license_id}],
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        for _, name, version, license_id, digest in _ROW.findall((vendor / "README.md").read_text())
    ]


def _package(folder: Path, bills: Sequence[Path]) -> Component:
    """Return a Python package; what is compiled into it stands inside, as its own bills name it."""
    head = HeaderParser().parsestr((folder / "METADATA").read_text())
    name, version = head["Name"].lower().replace("_", "-"), head["Version"]
    shown: Component = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }
    if head["License-Expression"]:
        shown["licenses"] = [{"expression": head["License-Expression"]}]
    inside = [_brief(part) for bill in bills for part in _listed(bill)]
    return {**shown, "components": inside} if inside else shown


def _listed(bill: Path) -> list[Component]:
    return list(json.loads(bill.read_text()).get("components", []))


def _brief(part: Component) -> Component:
    return {key: part[key] for key in ("type", "name", "version", "purl", "licenses") if key in part}
