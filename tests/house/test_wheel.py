"""The built wheel, installed in a clean environment, works from `/`: the program, and the packs that it carries."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from tests.support import ROOT


def build(target: str, source: Path, folder: Path) -> Path:
    command = [sys.executable, "-P", "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the unpacked source archive, as a distribution's builders would."""
    folder = tmp_path_factory.mktemp("dist")
    archive = build("sdist", ROOT, folder / "sdist")
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True, timeout=60)
    return build("wheel", folder / archive.name.removesuffix(".tar.gz"), folder / "wheel")


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`vrrpwatch` of an environment that holds the wheel; its dependencies are those of this run."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    scheme = sysconfig.get_paths(scheme="venv", vars={"base": str(folder), "platbase": str(folder)})
    destination = SchemeDictionaryDestination(scheme, str(folder / "bin" / "python"), "posix")
    with WheelFile.open(wheel) as source:
        install(source=source, destination=destination, additional_metadata={})
    here = [path for path in sys.path if Path(path).name == "site-packages"]
    Path(scheme["purelib"], "dependencies.pth").write_text("\n".join(here) + "\n")
    return folder / "bin" / "vrrpwatch"


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], cwd="/", capture_output=True, text=True, timeout=120)


def test_the_wheel_holds_three_packages_and_the_packs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "vrrpwatch", "vrrpcore", "vrrpexporters",
    }  # fmt: skip
    packs = {path.relative_to(ROOT).as_posix() for pack in ("alerts", "grafana") for path in files(ROOT / pack)}
    carried = {name for name in names if name.startswith(("vrrpwatch/alerts/", "vrrpwatch/grafana/"))}
    assert carried == {f"vrrpwatch/{name}" for name in packs if not name.endswith(".py")}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_the_program_is_the_installed_one_and_tells_its_version(program: Path) -> None:
    result = run(program, "--version")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("vrrpwatch ")
    for package in ("vrrpwatch", "vrrpcore", "vrrpexporters"):
        where = [str(program.parent / "python"), "-P", "-c", f"import {package}; print({package}.__file__)"]
        told = subprocess.run(where, cwd="/", capture_output=True, text=True).stdout
        assert told.startswith(str(program.parents[1]))


@pytest.mark.parametrize(("command", "pack"), [("rules", "alerts"), ("dashboard", "grafana")])
def test_packs_are_written_out_from_anywhere(program: Path, tmp_path: Path, command: str, pack: str) -> None:
    result = run(program, command, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    written = [path.read_bytes() for path in files(tmp_path / "out")]
    kept = [path.read_bytes() for path in files(ROOT / pack) if path.suffix != ".py"]
    assert sorted(written) == sorted(kept)
