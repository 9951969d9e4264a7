"""Kernel settings under /proc/sys/net: set while the speaker runs, put back when it ends."""

from __future__ import annotations

from pathlib import Path


class Sysctls:
    """Remembers what it changed. A setting that the kernel lacks or refuses is noted, never fatal."""

    def __init__(self, root: str = "/proc/sys/net") -> None:
        self._root = Path(root)
        self._before: dict[str, str] = {}
        self.refused: dict[str, str] = {}  # path -> why

    def set(self, path: str, value: str) -> bool:
        """Set `path` ("ipv4/conf/eth0/arp_ignore"); False where that was not possible."""
        file = self._root / path
        try:
            old = file.read_text(encoding="ascii").strip()
            if old == value:
                return True
            file.write_text(value, encoding="ascii")
        except OSError as error:
            self.refused[path] = error.strerror or str(error)
            return False
        self._before.setdefault(path, old)
        return True

    def restore(self) -> None:
        """Put everything back, newest first; interfaces that are gone took their settings with them."""
        for path, value in reversed(self._before.items()):
            try:
                (self._root / path).write_text(value, encoding="ascii")
            except OSError:
                pass  # the interface is gone
        self._before.clear()
