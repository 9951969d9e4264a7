"""Any octets give a model and findings; reading what `show` writes gives the same model; cost is linear."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bench import configuration
from tests.watch.keepalived_conf.mistakes import MISTAKES, Mistake
from tests.watch.keepalived_conf.samples import sheets
from vrrpcore.settings import Settings
from vrrpwatch.keepalived_conf import Finding, read
from vrrpwatch.keepalived_conf.show import show

DATA = Path(__file__).parents[2] / "data" / "keepalived_conf"
TOKENS = [
    *("vrrp_instance VI_1 {", "virtual_ipaddress {", "}", "{", "10.9.0.1/24", "priority 100", "state MASTER", '"', "'"),
    *("track_script {", "virtual_server 10.9.0.1 80 {", "real_server 10.9.0.2 80 {", "TCP_CHECK {", "global_defs {"),
    *(
        "unknown {",
        "$A=1",
        "${A}",
        "~SEQ(N,1,3) ${N}",
        "@node x",
        "\\",
        "#",
        "!",
        "include x",
        "authentication {",
        "\n",
    ),
    *(
        "vrrp_sync_group G {",
        "group {",
        "VI_1",
        "notify_master /x y",
        "weight -5 reverse",
        "dev",
        "eth0",
        "\x00",
        "\xff",
    ),
]


def _read(path: Path, data: bytes) -> tuple[Settings, list[Finding]]:
    path.write_bytes(data)
    return read(str(path), "node", {})


def _sound(path: Path, data: bytes) -> Settings:
    """Every finding lies in its file; the result is what is promised."""
    model, findings = _read(path, data)
    count = max(1, data.count(b"\n") + 1)
    for each in findings:
        assert 1 <= each.line <= each.end_line <= count, each
        assert each.column >= 0
        assert each.code == each.code.lower()
        assert each.message
        assert "\n" not in each.message
    return model


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_octets_give_a_model_and_findings(tmp_path: Path, data: bytes) -> None:
    _sound(tmp_path / "fuzz.conf", data)


@given(st.lists(st.sampled_from(TOKENS), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_mixture_of_tokens_gives_a_model_that_survives_a_round_trip(tmp_path: Path, tokens: list[str]) -> None:
    text = "".join(token + random.Random(len(tokens)).choice([" ", "\n"]) for token in tokens)
    model = _sound(tmp_path / "fuzz.conf", text.encode("latin-1"))
    _same_again(tmp_path, model)


def _same_again(directory: Path, model: Settings) -> None:
    written = show(model)
    again, _ = _read(directory / "again.conf", written.encode("utf-8", "surrogateescape"))
    assert again == model, written
    assert _without_remarks(show(again)) == _without_remarks(written)


def _without_remarks(text: str) -> list[str]:
    """Lines but the remarks on unused keywords, whose places differ."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("path", sorted(DATA.glob("*.conf")), ids=lambda path: path.stem)
def test_the_normalised_file_means_the_same(path: Path, tmp_path: Path) -> None:
    _same_again(tmp_path, read(str(path), "node")[0])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
def test_the_normalised_file_means_the_same_also_after_mistakes(mistake: Mistake, tmp_path: Path) -> None:
    _same_again(tmp_path, _sound(tmp_path / "keepalived.conf", mistake.data))


def _all_sheets() -> Iterator[tuple[str, str]]:
    for rejected in (False, True):
        for sheet in sheets(rejected):
            yield f"{sheet.title} {'rejected' if rejected else 'accepted'}", sheet.text


@pytest.mark.parametrize(("title", "text"), list(_all_sheets()), ids=lambda each: each[:30])
def test_the_normalised_file_keeps_every_keyword(title: str, text: str, tmp_path: Path) -> None:
    _same_again(tmp_path, _sound(tmp_path / "keepalived.conf", text.encode()))


def _many(count: int) -> bytes:
    block = (
        "vrrp_instance VI_{0} {{\n  interface eth0\n  virtual_router_id {1}\n  priority 100\n  nopreempt\n  advert_int"
        " 1\n  garbage\n  virtual_ipaddress {{\n    10.{2}.{3}.1/24\n  }}\n}}\n"
    )
    return "".join(block.format(n, n % 255 + 1, n // 250, n % 250) for n in range(count)).encode()


def test_cost_grows_linearly(tmp_path: Path) -> None:
    _read(tmp_path / "warm.conf", _many(100))
    times = []
    for count in (250, 1000):
        started = time.process_time()
        _read(tmp_path / "many.conf", _many(count))
        times.append(time.process_time() - started)
    assert times[1] < 12 * max(times[0], 0.01)  # 4 times the lines; quadratic would be 16 times


def test_the_benchmarks_file_has_10000_lines_without_a_mistake(tmp_path: Path) -> None:
    text = configuration.text()
    assert text.count("\n") == 10_000
    model, findings = _read(tmp_path / "bench.conf", text.encode())
    assert len(model.instances) == configuration.INSTANCES
    assert not findings


@pytest.mark.parametrize(
    "data",
    [
        b"{\n" * 50_000,
        b"}\n" * 50_000,
        b"a {\n" * 50_000,
        b"vrrp_instance a {\nvirtual_ipaddress {\n" * 20_000,
        b"priority 1 " * 5_000,
        b"vrrp_instance VI_1 {\n" + b"priority x\n" * 50_000 + b"}\n",
        b"\xff\xfe" * 5_000,
        b"$A=" + b"b" * 2_000 + b"\n$A$A$A\n",
        b'"' * 5_000,
    ],
    ids=lambda data: str(data[:20]),
)
def test_hostile_files_end_soon_with_bounded_findings(tmp_path: Path, data: bytes) -> None:
    started = time.process_time()
    _, findings = _read(tmp_path / "hostile.conf", data)
    assert findings
    assert len(findings) <= 2001
    assert time.process_time() - started < 20
