"""Lines of virtual_rules and static_rules."""

from __future__ import annotations

from vrrpcore.settings import Rule
from vrrpwatch.keepalived_conf import values
from vrrpwatch.keepalived_conf.bind import Binder, origin
from vrrpwatch.keepalived_conf.network_words import WordReader, missing_value, table_name
from vrrpwatch.keepalived_conf.nodes import Line
from vrrpwatch.keepalived_conf.route_options import ip_protocol, number_range, realms, service
from vrrpwatch.keepalived_conf.table import BadWord, Missing, checked
from vrrpwatch.keepalived_conf.words import Word


class _RuleReader(WordReader):
    def read(self) -> Rule:
        self.action = ""
        while self.at < len(self.words):
            self._option(self.words[self.at])
            self.at += 1
        if not self.action:
            raise BadWord(self.words[0], "the rule has no action", "add table NAME")
        if self.action == "goto" and (
            self.found.get("priority") is None or self.found["priority"] >= self.found["goto"]
        ):
            raise BadWord(self.words[0], "goto needs a preference below its target")
        if self.found.get("priority") is None:
            self.binder.warn(
                self.line,
                "rule-without-preference",
                "without a preference keepalived chooses one, probably not what you want",
                "add preference N",
                exit_code=5,
            )
        if self.found.get("protocol") not in (None, 18) and not self.found.get("no_track"):
            self.binder.warn(
                self.line,
                "route-protocol",
                "keepalived sets its own protocol on rules that it tracks",
                "add no_track",
                exit_code=5,
            )
            del self.found["protocol"]
        words = tuple(word.text for word in self.words)
        return Rule(
            self.family or 4, action=self.action, words=words, origin=origin(self.line, self.words[0]), **self.found
        )

    def _act(self, word: Word, action: str) -> None:
        if self.action:
            raise BadWord(word, "a rule has one action only")
        self.action = action

    def _option(self, word: Word) -> None:
        name = word.text
        if name == "inet":
            self.set_family(word, 4)
        elif name == "inet6":
            self.set_family(word, 6)
            self.at += 1  # keepalived skips the word behind it
        elif name in ("from", "to"):
            self.found["source" if name == "from" else "destination"] = self.network(self.value())
        elif name in ("table", "lookup"):
            table = self.value()
            self.found["table"] = table_name(table)
            if self.found["table"] in ("0", "unspec"):
                raise BadWord(table, "table 0 is none")
            self._act(word, "table")
        elif name == "not":
            self.found["invert"] = True
        elif name in ("preference", "order", "priority"):
            self.found["priority"] = checked(self.value(), values.unsigned_any_base)
        elif name in ("tos", "dsfield"):
            self.found["tos"] = service(self.value())
        elif name == "fwmark":
            self._mark(self.value())
        elif name in ("dev", "iif"):
            self.found["iif"] = self.interface(self.value())
        elif name == "oif":
            self.found["oif"] = self.interface(self.value())
        elif name == "no_track":
            self.found["no_track"] = True
        elif name == "track_group":
            self.found["track_group"] = self.value().text
        else:
            self._rare(word)

    def _mark(self, word: Word) -> None:
        mark, slash, mask = word.text.partition("/")
        inner = Word(mark, word.offset)
        self.found["fwmark"] = checked(inner, values.unsigned_any_base)
        if slash:
            self.found["fwmask"] = checked(Word(mask, word.offset), values.unsigned_any_base)

    def _rare(self, word: Word) -> None:
        name = word.text
        if name == "realms":
            self.found["realms"] = realms(self.value())
        elif name in ("suppress_prefixlength", "sup_pl"):
            self.found["suppress_prefixlength"] = checked(self.value(), values.unsigned)
        elif name in ("suppress_ifgroup", "sup_group"):
            self.found["suppress_group"] = self.value().text
        elif name == "tunnel-id":
            self.found["tunnel_id"] = checked(self.value(), values.unsigned)
        elif name == "uidrange":
            self.found["users"] = number_range(self.value(), values.UINT_MAX)
        elif name == "protocol":
            self.found["protocol"] = checked(self.value(), values.unsigned, 0, 255)
        elif name == "ipproto":
            self.found["ip_protocol"] = ip_protocol(self.value())
        elif name in ("sport", "dport"):
            self.found["source_ports" if name == "sport" else "destination_ports"] = number_range(self.value(), 0xFFFF)
        elif name == "l3mdev":
            self.found["l3mdev"] = True
            self._act(word, "table")
        else:
            self._action(word)

    def _action(self, word: Word) -> None:
        name = word.text
        if name == "type":
            word = self.value()
            name = word.text
        if name == "goto":
            self.found["goto"] = checked(self.value(), values.unsigned)
        elif name not in ("nop", "prohibit", "unreachable", "blackhole"):
            raise BadWord(word, f"'{name}' is no word of a rule")
        self._act(word, name)


def rule(binder: Binder, line: Line, what: str) -> Rule | None:
    """One rule, or None (with a finding) when keepalived drops it."""
    try:
        return _RuleReader(line, binder, what).read()
    except BadWord as bad:
        binder.refuse(line, bad, "the rule is dropped", what)
    except Missing:
        missing_value(binder, line, what)
    return None
