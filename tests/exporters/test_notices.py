"""Who is told what: alert names, the webhook's document, Alertmanager's alerts."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exporters.samples import T0, episode, judgement, router, split_router
from vrrpcore.verdict import CLASS_STATE
from vrrpexporters import alertmanager, textfile, webhook
from vrrpexporters.notices import KINDS, Notice, notices

RULES = Path(__file__).parents[2] / "alerts"


def told(*routers: object, now: float = T0) -> list[Notice]:
    return list(notices(judgement(*routers), now, "host-a", "https://example.net/runbooks/"))  # type: ignore[arg-type]


def one(**more: object) -> Notice:
    (notice,) = told(split_router())
    return replace(notice, **more)  # type: ignore[arg-type]


def test_a_split_is_told_at_once_with_sources_cause_and_remedy() -> None:
    notice = one()
    assert (notice.alertname, notice.severity, notice.ended) == ("VrrpSplitBrain", "critical", None)
    assert notice.summary == (
        "vrid 51/ipv4 on 10.9.0.0/24: split brain (peer_deaf), masters 10.9.0.1 (prio 150), 10.9.0.2 (prio 100)"
    )
    assert "open protocol 112 on 10.9.0.2" in notice.description
    assert notice.runbook_url == "https://example.net/runbooks/VrrpSplitBrain.md"


def test_every_alert_name_has_a_runbook_and_every_bad_class_a_name() -> None:
    assert {cls for cls, state in CLASS_STATE.items() if state in ("CRITICAL", "WARNING")} == set(KINDS)
    for kind in KINDS.values():
        assert (RULES / "runbooks" / f"{kind.alertname}.md").is_file()


@pytest.mark.parametrize(
    ("cls", "start", "end", "expected"),
    [
        ("split_brain", T0, None, True),
        ("split_brain", T0 - 0.3, T0 - 0.1, True),  # shorter than any scrape
        ("transient_dual_master", T0 - 0.3, T0 - 0.1, True),
        ("split_brain_suspected", T0 - 1, None, False),  # confirmed or over within moments
        ("split_brain_suspected", T0 - 1, T0, True),
        ("no_master", T0 - 29, None, False),
        ("no_master", T0 - 31, None, True),
        ("no_master", T0 - 5, T0, False),
        ("handover", T0 - 5, T0, False),
        ("misconfig", T0 - 10, None, False),
        ("misconfig", T0 - 61, None, True),
    ],
)
def test_what_is_worth_telling(cls: str, start: float, end: float | None, expected: bool) -> None:
    assert bool(told(router(51, episodes=(episode(cls, None, start, end),)))) is expected


def test_the_labels_of_an_alert_do_not_change_while_it_lasts() -> None:
    first = one()
    later = one(ended=T0, description="more evidence", facts={**first.facts, "cause": "firewall_input"})
    assert first.labels == later.labels


def test_our_document_says_everything() -> None:
    found = json.loads(webhook.document(one(ended=T0)))
    assert set(found) == {"schema", *webhook.PLACEHOLDERS}
    assert (found["status"], found["vrid"], found["masters"]) == ("resolved", 51, ["10.9.0.1", "10.9.0.2"])
    assert found["ended"] == "2026-11-22T08:37:34.250Z"
    assert json.loads(webhook.document(one()))["ended"] is None


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_template_gives_json_whatever_the_wire_put_into_it(cause: str, evidence: list[str]) -> None:
    notice = one(summary=cause)
    notice = replace(notice, facts={**notice.facts, "cause": cause, "evidence": evidence})
    template = '{"text": "${alertname}: ${summary} ${cause} ${evidence}", "n": ${vrid}, "price": "$$5"}'
    found = json.loads(webhook.document(notice, template))
    assert found["text"] == f"VrrpSplitBrain: {cause} {cause} {', '.join(evidence)}"
    assert (found["n"], found["price"]) == (51, "$5")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ('{"text": "${sumary}"}', "there is no placeholder ${sumary}"),
        ('{"text": ${summary}}', "does not give JSON"),
        ('{"text": "${summary}"', "does not give JSON"),
        ('{"text": "costs 5$"}', "a dollar sign itself is written $$"),
    ],
)
def test_a_template_that_cannot_work_is_found_when_it_is_read(template: str, says: str) -> None:
    assert says in webhook.check_template(template)


def test_a_good_template_passes() -> None:
    assert webhook.check_template('{"text": "${summary}", "list": ["${masters}"]}') == ""


def test_the_signature_covers_time_and_body_and_the_delivery_is_the_same_each_time() -> None:
    fields = webhook.headers("id-1", "1795336654", b'{"a": 1}', b"key")
    expected = hmac.new(b"key", b'1795336654.{"a": 1}', hashlib.sha256).hexdigest()
    assert fields["X-Vrrpwatch-Signature"] == f"sha256={expected}"
    assert fields["X-Vrrpwatch-Delivery"] == "id-1"
    assert "X-Vrrpwatch-Signature" not in webhook.headers("id-1", "1795336654", b"{}", b"")


def test_a_firing_alert_ends_some_pushes_ahead_and_an_ended_one_now() -> None:
    (row,) = alertmanager.alerts([alertmanager.Push(one(), False)], T0, 60.0, {"site": "a"}, "http://host-a:10112/")
    assert row["labels"] == {
        "alertname": "VrrpSplitBrain",
        "severity": "critical",
        "segment": "10.9.0.0/24",
        "family": "ipv4",
        "vrid": "51",
        "sensor": "host-a",
        "site": "a",
    }
    assert row["startsAt"] == "2026-11-22T08:37:24.250Z"
    assert row["endsAt"] == "2026-11-22T08:41:34.250Z"
    assert row["annotations"]["sources"] == "10.9.0.1, 10.9.0.2"
    assert row["annotations"]["cause"] == "peer_deaf"
    (row,) = alertmanager.alerts([alertmanager.Push(one(ended=T0), True)], T0, 60.0, {}, "")
    assert row["endsAt"] == "2026-11-22T08:37:34.250Z"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_episodes_with_the_same_labels_the_one_that_goes_on_is_pushed(order: int) -> None:
    over = alertmanager.Push(one(started=T0 - 100, ended=T0 - 90), True)
    running = alertmanager.Push(one(), False)
    rows = alertmanager.alerts([over, running][::order], T0, 60.0, {}, "")
    assert [row["startsAt"] for row in rows] == ["2026-11-22T08:37:24.250Z"]


@pytest.mark.parametrize(
    ("ended", "first_sent", "over"),
    [(None, T0 - 500, False), (T0, None, False), (T0, T0 - 100, False), (T0, T0 - 120, True)],
)
def test_a_short_episode_is_kept_firing_until_it_was_shown_for_long_enough(
    ended: float | None, first_sent: float | None, over: bool
) -> None:
    assert alertmanager.is_over(one(ended=ended), first_sent, 120.0, T0) is over


def test_the_textfile_is_replaced_whole_and_readable_for_all(tmp_path: Path) -> None:
    path = tmp_path / "vrrpwatch.prom"
    textfile.write(path, b"a 1\n")
    textfile.write(path, b"b 2\n")
    assert path.read_bytes() == b"b 2\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["vrrpwatch.prom"]
    with pytest.raises(OSError, match="No such file"):
        textfile.write(tmp_path / "none" / "a.prom", b"")
