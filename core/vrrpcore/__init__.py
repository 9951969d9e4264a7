"""VRRP itself: codec, state machine, tally and judge (pure), and the host they run on (outer ring)."""
