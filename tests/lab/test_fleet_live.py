"""`check` by way of daemons: without permission, and from several vantage points where nobody hears both sides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.bench_of_hosts import Pair, command, vrrpwatch
from vrrpwatch.lab import Host, Keepalived, Lab, keepalived_config, module_path

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.needs("keepalived", "iproute2")]

UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("vw-fleet") as lab:
        yield lab


def watch(host: Host, listen: str) -> None:
    """Start the daemon and wait until it answers."""
    host.start(*command("watch", "-i", "eth0", "--listen", listen), log="watch", environment=module_path())
    url = f"http://{listen}"
    host.lab.wait(lambda: " 51 " in vrrpwatch(host, "list", "--from", url).out, "the daemon's first router", 60)


def test_without_permission_the_daemon_on_this_host_is_asked(lab: Lab) -> None:
    pair = Pair(lab, "f", 40)
    pair.start()
    pair.first.wait_state("MASTER")
    watch(pair.observer, "127.0.0.1:10112")
    answer = vrrpwatch(pair.observer, "check", "--vrid", "51", before=UNPRIVILEGED)
    assert answer.code == 0, answer
    assert "this is what the daemon at http://127.0.0.1:10112 says" in answer.out
    assert vrrpwatch(pair.observer, "check", "--vrid", "52", before=UNPRIVILEGED).code == 2


def test_a_partition_that_no_sensor_sees_is_found_by_asking_both(lab: Lab) -> None:
    management = lab.lan("management")
    for number, name in ((1, "left"), (2, "right")):
        side = lab.lan(name)
        router = lab.host(f"router-{name}"[:9], f"10.9.41.{number}/24", lan=side)
        Keepalived(router, keepalived_config(51, 100 + number, ["10.9.41.100/24"]))
        sensor = lab.host(f"s-{name}", f"10.9.41.{10 + number}/24", lan=side)
        lab.join(sensor, management, f"192.0.2.{number}/24")
        watch(sensor, f"192.0.2.{number}:10112")
    admin = lab.host("admin", "192.0.2.9/24", lan=management)
    urls = [word for number in (1, 2) for word in ("--from", f"http://192.0.2.{number}:10112")]
    assert vrrpwatch(admin, "check", *urls[:2]).code == 0
    answer = vrrpwatch(admin, "check", *urls, "-o", "json")
    assert (answer.code, answer.worst) == (2, ("split_brain", "l2_partition"))
    assert answer.document["routers"][0]["segment"] == "10.9.41.0/24"
