"""The line pipeline: comments, conditions, definitions, sequences, includes, braces, and its limits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpwatch.keepalived_conf import Finding
from vrrpwatch.keepalived_conf.cutting import cut_at_braces, decomment
from vrrpwatch.keepalived_conf.findings import Collector
from vrrpwatch.keepalived_conf.lines import LineReader
from vrrpwatch.keepalived_conf.sources import Library
from vrrpwatch.keepalived_conf.words import QuoteError, split, split_script


def _lines(tmp_path: Path, text: str | bytes, config_id: str = "node") -> tuple[list[str], list[Finding]]:
    file = tmp_path / "keepalived.conf"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    collector, library = Collector(), Library()
    reader = LineReader(library, collector, config_id, {"SITE": "north"})
    reader.open(str(file))
    return [line.text for line in reader.lines()], collector.sorted([str(file)])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  a b  ", "a b"),
        ("a # comment", "a"),
        ("a ! comment", "a"),
        ("weight 5#c", "weight 5"),
        ('"a # b" c # d', '"a # b" c'),
        ("'a # b'", "'a"),
        ("a \\# b", "a # b"),
        ("a \\! b", "a ! b"),
        ("a \\\\", "a \\\\"),
        ("a   \\", "a\\"),
        ("# only", ""),
    ],
)
def test_a_comment_begins_at_the_first_sign_outside_of_double_quotes(raw: str, expected: str) -> None:
    assert decomment(raw)[0] == expected


def test_an_open_quotation_swallows_the_comment_and_is_told(tmp_path: Path) -> None:
    lines, findings = _lines(tmp_path, 'a "b # c\nd\n')
    assert lines == ['a "b # c', "d"]
    assert [(each.line, each.code) for each in findings] == [(1, "quote-open")]


def test_an_unfilled_template_stays_one_word_but_remembers_what_keepalived_makes_of_it(tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text("virtual_router_id ${VRID:-51}\nvrrp_instance {{ name }} {\n")
    reader = LineReader(Library(), Collector(), "node", {})
    reader.open(str(file))
    assert [(line.text, line.pieces) for line in reader.lines()] == [
        ("virtual_router_id ${VRID:-51}", ("virtual_router_id $", "{", "VRID:-51", "}")),
        ("vrrp_instance {{ name }}", ("vrrp_instance", "{", "{", "name", "}", "}")),
        ("{", ()),
    ]


def test_braces_outside_of_quotes_stand_alone() -> None:
    assert cut_at_braces('a { b "{" } c') == [("a", 0), ("{", 2), ('b "{"', 4), ("}", 10), ("c", 12)]
    assert cut_at_braces("}}") == [("}", 0), ("}", 1)]
    assert cut_at_braces('a "open { b') == [('a "open { b', 0)]


def test_conditional_lines_stay_on_their_host(tmp_path: Path) -> None:
    lines, _ = _lines(tmp_path, "@node a 1\n@other b 2\n@^node c 3\n@^other d 4\n@node\n")
    assert lines == ["a 1", "d 4"]


def test_definitions_are_late_bound_and_recursive(tmp_path: Path) -> None:
    text = "$BASE=10.2.${SUB}\n$SUB=0\n${BASE}.100/32\n$SUB=10\n${BASE}.100/32\n$X $BASE ${UNDEF}\n"
    lines, _ = _lines(tmp_path, text)
    assert lines == ["10.2.0.100/32", "10.2.10.100/32", "$X 10.2.10 ${UNDEF}"]


def test_predefined_names(tmp_path: Path) -> None:
    lines, findings = _lines(tmp_path, "a ${_PWD} ${_INSTANCE} ${_ENV SITE} ${_ENV NONE} ${_RANDOM 3 3}\n")
    assert lines == [f"a {tmp_path} node north ${{_ENV NONE}} 3"]
    assert [each.code for each in findings] == ["random-value"]


def test_multi_line_bodies_nest_and_keep_their_order(tmp_path: Path) -> None:
    text = (
        "$IN= \\\n  x ${N} \\\n  y ${N}\n$OUT= \\\n  begin \\\n  $N=1 \\\n  $IN \\\n  $N=2 \\\n  $IN \\\n "
        " end\n\n$OUT\nlast\n"
    )
    lines, _ = _lines(tmp_path, text)
    assert lines == ["begin", "x 1", "y 1", "x 2", "y 2", "end", "last"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("~SEQ(N, 0, 3) a${N}", ["a0", "a1", "a2", "a3"]),
        ("~SEQ(N, 3) a${N}", ["a1", "a2", "a3"]),
        ("~SEQ(N, 3, 1) a${N}", ["a3", "a2", "a1"]),
        ("~SEQ(N, 0, 10, 20) a${N}", ["a0", "a10", "a20"]),
        ("~SEQx(N, 0x90, 0x10, 0xb0) a${N}", ["a90", "aa0", "ab0"]),
        ("~SEQ(A,1,2) ~SEQ(B,1,2) ${A}.${B}", ["1.1", "1.2", "2.1", "2.2"]),
        ("~LST(N, a, b) x${N}", ["xa", "xb"]),
        ("~LST({A,B}, {1,2},{3,4}) ${A}-${B}", ["1-2", "3-4"]),
        ("~LST(A,1,2) ~SEQ(B,1,2) ${A}.${B}", ["1.1", "1.2", "2.1", "2.2"]),
    ],
)
def test_sequences_and_lists_repeat_the_rest_of_the_line(tmp_path: Path, line: str, expected: list[str]) -> None:
    assert _lines(tmp_path, line + "\n")[0] == expected


def test_a_sequence_around_a_body(tmp_path: Path) -> None:
    lines, _ = _lines(tmp_path, "$B= \\\n a ${N} \\\n b ${N}\n\n~SEQ(N,1,2) $B\nend\n")
    assert lines == ["a 1", "b 1", "a 2", "b 2", "end"]


def test_includes_are_relative_to_their_file_and_take_braces(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.inc").write_text("from-a\ninclude b.inc\n")
    (tmp_path / "d" / "b.inc").write_text("from-b")
    (tmp_path / "d" / "c.inc").write_text("from-c\n")
    lines, findings = _lines(tmp_path, "first\ninclude d/{a,c}.inc\nlast\n")
    assert lines == ["first", "from-a", "from-b", "from-c", "last"]
    assert not findings


def test_include_cycles_end_with_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.inc").write_text("include b.inc\na\n")
    (tmp_path / "b.inc").write_text("include a.inc\nb\n")
    lines, findings = _lines(tmp_path, "include a.inc\n")
    assert lines == ["b", "a"]
    assert [each.code for each in findings] == ["include-cycle"]


def test_missing_includes_directories_and_devices_are_told(tmp_path: Path) -> None:
    _, findings = _lines(tmp_path, "include none.inc\nincludea none.inc\ninclude .\ninclude /dev/zero\n")
    assert [(each.code, str(each.severity)) for each in findings] == [
        ("include-missing", "warning"),
        ("include-missing", "error"),
        ("not-a-file", "error"),
        ("not-a-file", "error"),
    ]


def test_a_sequence_without_end_is_bounded(tmp_path: Path) -> None:
    started = time.process_time()
    lines, findings = _lines(tmp_path, "~SEQ(A,1,999999) ~SEQ(B,1,999999) x ${A} ${B}\n")
    assert [each.code for each in findings] == ["too-many-lines"]
    assert len(lines) == 250_000
    assert time.process_time() - started < 30


def test_a_sequence_that_only_defines_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vrrpwatch.keepalived_conf.lines.MAX_STEPS", 20_000)
    lines, findings = _lines(tmp_path, "~SEQ(A,1,999999) ~SEQ(B,1,999999) $X=${A}\n")
    assert lines == []
    assert [each.code for each in findings] == ["too-many-lines"]


def test_definitions_that_refer_to_themselves_are_bounded(tmp_path: Path) -> None:
    lines, findings = _lines(tmp_path, "$A=$A\n$B=x${B}\na $A\nb ${B}\nc\n")
    assert lines == ["c"]
    assert [each.code for each in findings] == ["bad-substitution", "bad-substitution"]


def test_a_file_of_a_hundred_megabytes_is_read_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "large.conf"
    with file.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    collector, library = Collector(), Library()
    reader = LineReader(library, collector, "node", {})
    assert reader.open(str(file))
    list(reader.lines())
    assert "file-too-large" in {each.code for each in collector.found()}


def test_an_executable_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").touch(0o755)
    _, findings = _lines(tmp_path, "a\n")
    assert [each.code for each in findings] == ["config-executable"]


def test_columns_point_into_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text("  a { b c }\n\t@node  d\n")
    reader = LineReader(Library(), Collector(), "node", {})
    reader.open(str(file))
    assert [(line.text, line.column) for line in reader.lines()] == [
        ("a", 3), ("{", 5), ("b c", 7), ("}", 11), ("d", 9)
    ]  # fmt: skip


def test_words_of_ordinary_lines() -> None:
    words, unmatched = split('a"b c"d  e')
    assert [(word.text, word.offset) for word in words] == [("a", 0), ("b c", 1), ("d", 6), ("e", 9)]
    assert unmatched is None
    assert split('a "b') == (split("a")[0], 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a 'b c' d", ["a", "b c", "d"]),
        ('abcd" efg h jkl "mnop', ["abcd efg h jkl mnop"]),
        (r"\x41\102\cA\n\q", ["AB\x01\nq"]),
        (r'a\ b "c\"d"', ["a b", 'c"d']),
        ("''", [""]),
    ],
)
def test_words_of_commands(text: str, expected: list[str]) -> None:
    assert [word.text for word in split_script(text)] == expected


def test_commands_that_do_not_end_are_refused() -> None:
    for text in ("'a", 'a "b', "a \\"):
        with pytest.raises(QuoteError):
            split_script(text)


@given(st.text(alphabet="ab\"'\\#!{}$~@ \t\n=,()SEQLT0x", max_size=200))
def test_decomment_and_cut_never_fail_and_lose_nothing_but_blanks(text: str) -> None:
    for line in text.split("\n"):
        cleaned, _ = decomment(line)
        pieces = cut_at_braces(cleaned)
        squeezed = "".join(piece for piece, _ in pieces)
        assert squeezed.replace(" ", "").replace("\t", "") == cleaned.replace(" ", "").replace("\t", "")
