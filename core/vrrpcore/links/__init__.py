"""The host by netlink and /proc/sys: interfaces, addresses, macvlans, routes, the filter behind `accept` off.

The only home of pyroute2 in the core. What must be quick at a takeover (adding and removing addresses) is rendered to
netlink messages when the configuration is read; performing it is one system call on a socket that is already open.
"""

from __future__ import annotations

from vrrpcore.links.addresses import render_address
from vrrpcore.links.filters import SILENCE, install_filter, remove_filter, silence_reports
from vrrpcore.links.interfaces import Address, Interface, Interfaces
from vrrpcore.links.linkbeat import Linkbeat
from vrrpcore.links.losses import Losses
from vrrpcore.links.requests import Requests
from vrrpcore.links.routes import (
    exclusive,
    number_rules,
    render_route,
    render_rule,
    resolvable,
    resolve,
    route_protocol,
)
from vrrpcore.links.sysctls import Sysctls
from vrrpcore.links.vmacs import NameTaken, create_vmac, raise_link, remove_link

__all__ = [
    "SILENCE",
    "Address",
    "Interface",
    "Interfaces",
    "Linkbeat",
    "Losses",
    "NameTaken",
    "Requests",
    "Sysctls",
    "create_vmac",
    "exclusive",
    "install_filter",
    "number_rules",
    "raise_link",
    "remove_filter",
    "remove_link",
    "render_address",
    "render_route",
    "render_rule",
    "resolvable",
    "resolve",
    "route_protocol",
    "silence_reports",
]
