"""As whom scripts run, and which of them must not: real files, real programs (root)."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vrrpcore.settings import Command, GlobalDefs
from vrrpcore.speaker.permission import Identity, identity, refusal, unsafe_part
from vrrpcore.speaker.programs import Programs, run_to_end

pytestmark = pytest.mark.root
SECURE = GlobalDefs(script_security=True, script_user="root")
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everybody can read and root alone can change, and so all directories above it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        assert unsafe_part(name) == "", "the directory for temporary files is not safe"
        yield folder


def script(path: Path, text: str = "exit 0", mode: int = 0o755) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def command(path: Path, *words: str, user: str = "", group: str = "") -> Command:
    return Command((str(path), *words), user, group)


# -- who can change it --


def test_a_file_that_others_can_write_is_unsafe(folder: Path) -> None:
    path = script(folder / "a")
    assert unsafe_part(str(path)) == ""
    for mode, owner, group in ((0o757, 0, 0), (0o755, NOBODY, 0), (0o775, 0, NOBODY)):
        os.chown(path, owner, group)
        path.chmod(mode)
        assert unsafe_part(str(path)) == str(path)
    os.chown(path, 0, 0)
    assert unsafe_part(str(path)) == ""  # group root


def test_a_directory_that_others_can_write_is_unsafe_but_for_a_sticky_one(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    path = script(inner / "a")
    inner.chmod(0o777)
    assert unsafe_part(str(path)) == str(inner)
    inner.chmod(0o1777)
    assert unsafe_part(str(path)) == ""
    path.chmod(0o757)
    assert unsafe_part(str(path)) == str(path)


def test_every_link_on_the_way_counts(folder: Path) -> None:
    open_folder = folder / "open"
    open_folder.mkdir()
    path = script(folder / "a")
    (open_folder / "middle").symlink_to(path)
    (folder / "link").symlink_to("open/../open/middle")
    assert unsafe_part(str(folder / "link")) == ""
    open_folder.chmod(0o777)
    assert unsafe_part(str(folder / "link")) == str(open_folder)
    open_folder.chmod(0o1777)
    os.chown(open_folder / "middle", NOBODY, NOBODY, follow_symlinks=False)
    assert unsafe_part(str(folder / "link")) == str(open_folder / "middle")


def test_a_circle_of_links_is_an_error(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many"):
        unsafe_part(str(folder / "a"))


# -- who may run what --


def test_an_unsafe_script_runs_only_without_security_or_without_root_s_rights(folder: Path) -> None:
    path = script(folder / "a", mode=0o777)
    assert refusal(command(path), SECURE) == f"root would run it, and others can change {path} (enable_script_security)"
    assert refusal(command(path), GlobalDefs()) == ""
    assert refusal(command(path, user="nobody"), SECURE) == ""
    assert "root would run it" in refusal(command(path, user="nobody", group="root"), SECURE)
    path.chmod(0o4777)
    assert "root would run it" in refusal(command(path, user="nobody"), SECURE)


def test_what_cannot_be_run_is_refused_with_the_reason(folder: Path) -> None:
    path = script(folder / "a")
    assert refusal(command(folder / "none"), SECURE) == "No such file or directory"
    assert refusal(Command(("no-such-program",)), SECURE) == "it is nowhere on PATH"
    assert refusal(Command(("true",)), SECURE) == ""
    assert refusal(command(path, user="no-such-user"), SECURE) == "there is no user no-such-user"
    assert refusal(command(path, user="nobody", group="no-such"), SECURE) == "there is no group no-such"
    assert refusal(command(folder), SECURE) == "it is no file that user 0, group 0 can execute"
    path.chmod(0o744)
    assert refusal(command(path), SECURE) == ""
    assert "user 65534" in refusal(command(path, user="nobody"), SECURE)


def test_whose_rights_a_script_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    plain, nobody = Command(("x",)), Command(("x",), "nobody")
    assert identity(plain, GlobalDefs()) == Identity(0, 0)
    assert identity(plain, GlobalDefs(script_user="nobody")) == Identity(NOBODY, pwd.getpwnam("nobody").pw_gid)
    assert identity(plain, GlobalDefs(script_user="nobody", script_group="root")) == Identity(NOBODY, 0)
    assert identity(nobody, GlobalDefs(script_user="root", script_group="root")).gid == pwd.getpwnam("nobody").pw_gid
    with pytest.raises(LookupError, match="script_user is not set"):
        identity(plain, GlobalDefs(script_security=True))
    known = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: known("nobody" if name == "keepalived_script" else name))
    assert identity(plain, GlobalDefs()).uid == NOBODY


# -- running --


def in_a_loop(work: Callable[[Programs], Awaitable[Any]], defs: GlobalDefs = SECURE) -> tuple[Any, list[str]]:
    lines: list[str] = []

    async def run() -> Any:
        return await work(Programs(defs, lambda level, line: lines.append(line)))

    return asyncio.run(run()), lines


def test_each_run_is_judged_anew(folder: Path) -> None:
    path = script(folder / "a", "exit 3")

    async def work(programs: Programs) -> list[int | None]:
        codes = [await programs.run(command(path), (), 5)]
        path.chmod(0o777)
        codes += [await programs.run(command(path), (), 5) for _ in range(2)]
        path.chmod(0o755)
        return [*codes, await programs.run(command(path), (), 5)]

    codes, lines = in_a_loop(work)
    assert codes == [3, None, None, 3]
    assert len(lines) == 1
    assert lines[0].startswith(f"{path} is not run: root would run it")


def test_a_script_runs_as_its_user_alone(folder: Path) -> None:
    out = folder / "out"
    out.touch()
    out.chmod(0o666)
    path = script(folder / "a", f'echo "$@" $(id -un) $(id -G) > {out}')

    async def work(programs: Programs) -> Any:
        return await programs.run(command(path, "own", user="nobody"), ("INSTANCE", "V", "MASTER", "100"), 5)

    assert in_a_loop(work)[0] == 0
    words = out.read_text().split()
    assert words[:6] == ["own", "INSTANCE", "V", "MASTER", "100", "nobody"]
    assert words[6:] == [str(NOBODY)]


def test_what_takes_too_long_is_ended_with_its_children(folder: Path) -> None:
    path = script(folder / "a", "trap '' TERM\nsleep 60 &\nwait")

    async def work(programs: Programs) -> Any:
        return await programs.run(command(path), (), 0.2)

    code, lines = in_a_loop(work)
    assert code == -1
    assert lines == [f"{path} took longer than 0.2 s and was ended"]
    assert run_to_end(command(path), SECURE, 0.2) == "took longer than 0.2 s and was ended"


def test_startup_and_shutdown_scripts_are_under_the_same_rules(folder: Path) -> None:
    path = script(folder / "a", "test $(id -un) = nobody")
    assert run_to_end(command(path, user="nobody"), SECURE, 5) == ""
    assert run_to_end(command(path), SECURE, 5) == "ended with code 1"
    path.chmod(0o777)
    assert run_to_end(command(path), SECURE, 5).startswith("is not run: root would run it")
