"""Tracked files: numbers as keepalived reads them, and inotify's word of changes."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from vrrpcore.speaker.filewatch import FileWatch, number_in


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("5\n", 5),
        (" -7 apples", -7),
        ("+12abc", 12),
        ("0x10", 16),
        ("-0X1f", -31),
        ("010", 8),
        ("08", 0),
        ("300", 254),
        ("-9999999999", -254),
        ("", 0),
        ("x", 0),
    ],
)
def test_the_number_is_what_strtol_makes_of_it(tmp_path: Path, text: str, number: int) -> None:
    (tmp_path / "f").write_text(text)
    assert number_in(str(tmp_path / "f")) == number


def test_no_file_is_a_zero(tmp_path: Path) -> None:
    assert number_in(str(tmp_path / "none")) == number_in(str(tmp_path)) == 0


def test_changes_are_told_when_the_file_is_whole(tmp_path: Path) -> None:
    watch, told = FileWatch(), []
    path = tmp_path / "f"
    watch.add(str(path), lambda: told.append(number_in(str(path))))
    watch.add(str(tmp_path / "other"), lambda: told.append(-1))

    def heard() -> list[int]:
        told.clear()
        while select.select([watch], [], [], 0)[0]:
            watch.read()
        return list(told)

    with path.open("w") as file:
        file.write("4")
        file.flush()
        assert heard() == []
    assert heard() == [4]
    (tmp_path / "new").write_text("9")
    assert heard() == []
    os.replace(tmp_path / "new", path)
    assert heard() == [9]
    path.unlink()
    assert heard() == [0]
    with pytest.raises(OSError, match="No such file"):
        watch.add(str(tmp_path / "no" / "f"), lambda: None)
    watch.close()
