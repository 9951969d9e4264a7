"""Builds the layers of ./run: virtual environments with exactly the hashed requirements, each on top of the last.

A layer is built in a sibling folder and renamed when it is complete, under a lock, so that a second run waits and an
interrupted one leaves nothing that counts. It sees the layers below it, and the checkout, through a path file with
relative lines: a checkout may be moved or copied with its layers. Only the standard library is used here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from requirements import debian
from requirements.progress import Failed, run, say

SOURCES = (".", "core", "exporters")  # the checkout's source roots
SYSTEM = "/usr/bin/python3"
Found = tuple[str, str, str]  # home, interpreter, the layer's Python


class NoVenv(Exception):
    """An interpreter with which no environment can be made here; the message says why."""


def build(
    root: str,
    kinds: Sequence[str],
    homes: Sequence[str],
    interpreters: Sequence[str],
    layer_path: Callable[[str, str, str], str],
    find: Callable[[], Found | None],
) -> Found:
    """Build what is missing of `kinds`, lowest first; SystemExit with one line where nothing works."""
    home = writable_home(homes)
    problems = []

    def attempt(interpreter: str) -> Found | None:
        paths = [layer_path(home, kind, interpreter) for kind in kinds]
        try:
            stack(Path(root), [Path(path) for path in paths], interpreter)
        except NoVenv as problem:
            problems.append(f"{interpreter}: {problem}")
            return None
        return home, interpreter, os.path.join(paths[-1], "bin", "python")

    with lock(home):
        try:
            if found := find():  # by the run that we waited for
                return found
            for interpreter in interpreters:
                if found := attempt(interpreter):
                    return found
            mended = not os.environ.get("VRRPWATCH_PYTHON") and debian.can_install()
            if mended and debian.install(["python3-venv"], "to set up Python packages"):
                found = attempt(os.path.realpath(SYSTEM))
            if found:
                return found
        except Failed as problem:
            log = Path(home, "failed.log")
            log.write_text(problem.output)
            sys.exit(f"run: cannot install Python packages: {problem}; is a package index reachable? (more in {log})")
        finally:
            give_to_owner(root, home)
    sys.exit(
        "run: cannot set up Python packages: neither venv, pip nor uv for a Python >= 3.11 "
        f"({'; '.join(problems)}); on Debian, as root: apt install python3-venv"
    )


def writable_home(homes: Sequence[str]) -> str:
    """The first of the folders that can be made and written to."""
    for home in homes:
        try:
            os.makedirs(home, exist_ok=True)
        except OSError:
            continue
        if os.access(home, os.W_OK | os.X_OK):
            return home
    sys.exit(f"run: cannot write to {' nor to '.join(homes)}; set XDG_CACHE_HOME to a folder that can be written")


@contextlib.contextmanager
def lock(home: str) -> Iterator[None]:
    """One builder at a time; the lock goes with the process, however it ends."""
    with open(os.path.join(home, "lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another ./run is setting up; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def stack(root: Path, paths: Sequence[Path], interpreter: str) -> None:
    """Make those of the layers that do not stand yet, each on the ones before it."""
    ask = "import sys; print(sys.executable if sys.version_info >= (3, 11) else '')"
    try:
        base = subprocess.run([interpreter, "-I", "-c", ask], capture_output=True, text=True).stdout.strip()
    except OSError as problem:
        raise NoVenv(f"cannot be started: {problem.strerror}") from None
    if not base:
        raise NoVenv("older than 3.11")
    for number, path in enumerate(paths):
        if not os.access(path / "bin" / "python", os.X_OK):
            make(root, path, paths[:number], base)


def make(root: Path, path: Path, below: Sequence[Path], base: str) -> None:
    """Make one layer at `path`: environment, packages, path file; NoVenv or Failed."""
    kind = path.name.partition("-")[0]
    building = path.with_name(path.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    requirements = root / "requirements" / f"{kind}.txt"
    try:
        fill(building, requirements, base, f"setting up the {kind} packages")
        (site,) = building.glob("lib/python3*/site-packages")
        # Lines relative to site-packages, as the layer will lie: <home>/<layer>/lib/python3.N/site-packages.
        inside = root / ".run" == path.parent
        checkout = [os.path.normpath(os.path.join("../../../../..", source)) if inside else str(root / source)
                    for source in SOURCES]  # fmt: skip
        lower = [f"../../../../{layer.name}/lib/{site.parent.name}/site-packages" for layer in reversed(below)]
        # mypy will not have a source root among the installed packages.
        lines = lower if kind == "lint" else checkout + lower
        (site / "vrrpwatch-layer.pth").write_text("\n".join(lines) + "\n")
        shutil.copy(requirements, building / "made-of.txt")
        for program in (building / "bin").iterdir():
            if not program.is_symlink() and not program.read_bytes().startswith(b"\x7fELF"):
                program.unlink()  # a script names the folder that is about to be renamed
        shutil.rmtree(path, ignore_errors=True)
        building.rename(path)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def fill(building: Path, requirements: Path, base: str, label: str) -> None:
    """Environment and packages by the first way that works here: uv, venv with its pip, venv with another's pip."""
    python = str(building / "bin" / "python")
    hashed = ["--require-hashes", "--no-deps", "-r", str(requirements)]
    if uv := shutil.which("uv"):
        with contextlib.suppress(Failed):  # uv may not know the index that pip is configured for
            run("making an environment with uv", [uv, "venv", "--quiet", "--python", base, str(building)])
            run(label, [uv, "pip", "install", "--compile-bytecode", "--python", python, *hashed])
            return
        shutil.rmtree(building, ignore_errors=True)
    try:
        run("making an environment", [base, "-m", "venv", str(building)])
    except Failed:
        shutil.rmtree(building, ignore_errors=True)
        pip = other_pip()
        if pip is None:
            raise NoVenv("no ensurepip, and no pip >= 22.3 anywhere") from None
        try:
            run("making an environment without pip", [base, "-m", "venv", "--without-pip", str(building)])
        except Failed as deeper:
            raise NoVenv(str(deeper)) from None
        run(label, [*pip, "--python", python, "install", "--no-input", *hashed])
    else:
        run(label, [python, "-m", "pip", "install", "--no-input", *hashed])


def other_pip() -> list[str] | None:
    """A pip of any Python here that can install into another one (`--python`: pip 22.3)."""
    for command in ([SYSTEM, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"], ["pip"]):
        probe = [*command, "--python", sys.executable, "--version"]
        if shutil.which(command[0]) and subprocess.run(probe, capture_output=True).returncode == 0:
            return command
    return None


def give_to_owner(root: str, home: str) -> None:
    """As root in another user's checkout, let that user own (and be able to remove) what was built in it."""
    owner = os.stat(root)
    if os.geteuid() != 0 or owner.st_uid == 0 or Path(home).parent != Path(root):
        return
    for path in (Path(home), *Path(home).rglob("*")):
        os.lchown(path, owner.st_uid, owner.st_gid)
