"""The judgement for people and for monitoring systems: text, one plugin line, JSON, a page."""

from __future__ import annotations

from vrrpexporters.report.documents import as_json, from_json
from vrrpexporters.report.page import as_html
from vrrpexporters.report.plugin import as_plugin
from vrrpexporters.report.text import as_text

__all__ = ["as_html", "as_json", "as_plugin", "as_text", "from_json"]
