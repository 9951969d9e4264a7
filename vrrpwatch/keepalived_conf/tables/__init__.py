"""The keyword tables: what keepalived knows in which block, as data."""

from __future__ import annotations

from vrrpwatch.keepalived_conf.tables.top import ROOT

__all__ = ["ROOT"]
