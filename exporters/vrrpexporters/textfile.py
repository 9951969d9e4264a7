"""The metrics as a file for node_exporter's textfile collector: replaced at once, never half written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, text: bytes) -> None:
    """Write beside the file and rename; OSError otherwise. node_exporter reads *.prom only, so no temporary is seen."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
