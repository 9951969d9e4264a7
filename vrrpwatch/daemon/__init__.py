"""`vrrpwatch watch`: the sensor, its exporter, its memory and its notifications.

One process, and with `--processes N` N - 1 more that capture and judge a share of the VLANs each:

main thread    capture -> judge -> board (the latest snapshot, immutable)      sensor.py
http           event loop; pages made on two workers from the board           vrrpexporters.http_server
crew           the other processes: asked at each publication, merged         crew.py, worker.py, vrrpcore.shares
scribe         journal, notices, textfile                                      scribe.py
couriers       one per receiver, from the journal's outbox                     couriers.py
sources        keepalived's FIFO, vtysh, our speaker's state                   vrrpwatch.sources
housekeeping   APScheduler: pruning, resending                                 housekeeping.py
"""

from __future__ import annotations

from .service import run_watch

__all__ = ["run_watch"]
