"""The rule pack under promtool: a small model of routers, sensors and scrapes, and what must and must not fire."""
