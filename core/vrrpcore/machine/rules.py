"""Where the standards and the other speakers differ, as named options: the machine itself has one shape."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vrrpcore.settings import Instance


@dataclass(frozen=True, slots=True)
class Rules:
    """The points on which RFC 3768, RFC 5798, RFC 9568, keepalived and FRR do not agree."""

    name: str = "house"
    #: A master answers an advert that loses against it at once (RFC 9568 §6.4.3 (730)), instead of staying silent.
    assert_at_once: bool = True
    #: A master that yields sends its own advert once more: "never", "always" (higher_prio_send_advert), or "healing":
    #: only towards the very master whose silence had made it take over. That router cannot know that anyone stood in
    #: for it unless it hears so, and must announce its addresses again.
    parting_advert: str = "healing"
    #: An owner (priority 255) takes no notice of any advert (RFC 3768 §7.1, RFC 5798 §7.1); otherwise owners elect
    #: one of themselves by address (RFC 9568 with erratum 8298).
    owner_ignores_adverts: bool = False
    #: Version 2: an advert with another interval is refused (RFC 3768 §7.1).
    v2_interval_must_match: bool = True
    #: Version 3: likewise (holo does; RFC 9568 §7.1 forbids it).
    v3_interval_must_match: bool = False
    #: Another address list than ours: "log" or "drop" (keepalived <= 2.3.2), by version.
    v2_address_list: str = "log"
    v3_address_list: str = "log"
    #: An address list that differs is let pass when the sender is the owner (RFC 3768 §7.1).
    owner_may_list_other: bool = True
    #: Which v3/IPv4 checksum is valid: "both", "pseudo" (RFC 5798 as most read it) or "message" (RFC 9568).
    v3_checksum: str = "both"
    #: Every received packet of the VRID, refused ones included, restarts a master's advert timer (keepalived).
    any_packet_rearms: bool = False
    #: A stalled master with nopreempt goes to backup instead of going on (timer_expired_backup).
    late_master_yields: bool = False

    @classmethod
    def of(cls, instance: Instance) -> Rules:
        """The house rules, bent as the instance's own keywords ask (strict, lower_prio_no_advert, …)."""
        base = STRICT if instance.strict else HOUSE
        return replace(
            base,
            assert_at_once=base.assert_at_once and not instance.lower_prio_no_advert,
            parting_advert="always" if instance.higher_prio_send_advert else base.parting_advert,
            owner_ignores_adverts=base.owner_ignores_adverts or instance.owner_ignore_adverts,
            late_master_yields=instance.timer_expired_backup,
        )


HOUSE = Rules()
RFC9568 = Rules("rfc9568", parting_advert="never")
RFC5798 = Rules("rfc5798", assert_at_once=False, parting_advert="never", owner_ignores_adverts=True)
RFC3768 = Rules(
    "rfc3768", assert_at_once=False, parting_advert="never", owner_ignores_adverts=True, v2_address_list="drop"
)
STRICT = Rules("strict", parting_advert="never", v2_address_list="drop")
#: keepalived 2.2.7 as measured: address lists must agree, one checksum only, any packet restarts the advert timer.
KEEPALIVED = Rules(
    "keepalived",
    parting_advert="never",
    v2_address_list="drop",
    v3_address_list="drop",
    owner_may_list_other=False,
    v3_checksum="pseudo",
    any_packet_rearms=True,
)
#: FRR 8.4.4 as measured: silent towards lower priorities, owners ignore everything, address lists are only logged.
FRR = Rules("frr", assert_at_once=False, parting_advert="never", owner_ignores_adverts=True, v3_checksum="pseudo")
