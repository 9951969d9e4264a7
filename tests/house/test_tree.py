"""What must hold for every file of the project."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

CODE = ("core", "exporters", "vrrpwatch", "requirements")
MOST_LINES = 410  # "about 400"
MOST_ROWS = 450  # of a keyword table: data, one row a line
LONGEST_FUNCTION = 60
#: No registry's host name and no path of somebody's machine, put together so that this file does not hold them.
UNWANTED = re.compile(
    "({}|{}|{})[.](org|com)|/({}/(main|shared)|{}|{}/[.]pyenv)".format(
        *("".join(parts) for parts in (("py", "pi"), ("python", "hosted"), ("npm", "js"))),
        *("".join(parts) for parts in (("wo", "rk"), ("tmp/co", "ord"), ("ro", "ot"))),
    )
)


@cache
def tracked() -> list[Path]:
    """The project's files as git lists them; a run from an unpacked archive has no such list."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a clone")
    return [path for name in result.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def locked(kind: str) -> dict[str, str]:
    """Name -> version of what a layer installs on Linux."""
    text = (ROOT / "requirements" / f"{kind}.txt").read_text()
    rows = re.findall(r"^([a-z0-9.-]+)==(\S+)(.*)$", text, flags=re.MULTILINE)
    return {name: version for name, version, rest in rows if "win32" not in rest}


def test_no_registry_and_no_machine_is_named_anywhere() -> None:
    hits = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in tracked()
        if (found := UNWANTED.search(path.read_bytes().decode(errors="replace")))
    ]
    assert not hits


def test_the_pattern_finds_what_it_is_for() -> None:
    registry, folder = "py" + "pi", "wo" + "rk"
    assert UNWANTED.search(f"https://{registry}.org/simple")
    assert UNWANTED.search(f"cd /{folder}/main")
    assert not UNWANTED.search("a framework/mainly python host")


@pytest.mark.parametrize("kind", ["runtime", "test", "lint"])
def test_requirements_are_pinned_and_hashed_and_hold_no_address(kind: str) -> None:
    text = (ROOT / "requirements" / f"{kind}.txt").read_text()
    _, *pins = re.split(r"^(?=\w)", text, flags=re.MULTILINE)
    assert pins
    assert [pin for pin in pins if not re.match(r"[a-z0-9.-]+==\S+ [^#]*--hash=sha256:", pin)] == []
    assert "://" not in text
    assert "-url" not in text


def test_the_runtime_layer_holds_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=~!]", requirement)[0] for requirement in project["dependencies"]}
    assert wanted <= locked("runtime").keys()


def test_every_runtime_package_has_its_licence_on_the_page() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    table = " ".join(line.split("|")[1].replace("*", "") for line in page.splitlines() if line.startswith("| "))
    assert locked("runtime").keys() <= {name.strip() for name in re.split(r"[ ,]+", table)}


def test_modules_stay_within_one_subject_and_functions_on_one_screen() -> None:
    """Above the limits a module becomes a folder and a function becomes several."""
    found = []
    for path in modules():
        text = path.read_text()
        most = MOST_ROWS if path.parent.name == "tables" else MOST_LINES
        if (lines := text.count("\n")) > most:
            found.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert not found


def test_typed_packages_say_so() -> None:
    for package in ("core/vrrpcore", "exporters/vrrpexporters", "vrrpwatch"):
        assert (ROOT / package / "py.typed").exists()


def test_every_page_is_in_the_index_and_no_link_leads_nowhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "alerts").rglob("*.md"),
    ]
    links = {
        (page, (page.parent / link).resolve())
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    }
    assert [f"{page.relative_to(ROOT)} -> {target}" for page, target in links if not target.exists()] == []
    index = ROOT / "docs" / "index.md"
    linked = {target for page, target in links if page == index}
    assert set((ROOT / "docs").glob("*.md")) - {index} <= linked
