"""keepalived.conf: read as keepalived does, explained better.

`read(path)` gives the frozen model of `vrrpcore.settings` and the findings; `commands` holds check, show, explain, fix.

    sources, definitions, cutting,
    lines                           files to logical lines (comments, @id, $NAME, ~SEQ, include, braces)
    words, values, table, shapes*   words, numbers, addresses; how parameters are read and described
    tables/                         what keepalived knows in which block, as data
    nodes, structure, walking       lines to a tree, and where keepalived would lose its way
    bind*, instance_*, *_lines      tree to values, with keepalived's defaults and corrections
    network_words, routes, rules    virtual and static routes and rules
    scripts                         the programs that are run
    read, whole                     all of it together; what only the whole file shows
    effect                          what `vrrpwatch run` does not act on
    cluster, host                   two files of one cluster; what depends on this machine
    show*, writing, explain, fix, report     the model as text, keywords explained, safe fixes, findings printed
"""

from __future__ import annotations

from vrrpwatch.keepalived_conf.findings import Finding, Severity, config_test_code
from vrrpwatch.keepalived_conf.read import Reading, read, read_all

__all__ = ["Finding", "Reading", "Severity", "config_test_code", "read", "read_all"]
