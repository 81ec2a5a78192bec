"""A server that can be killed and started again on what it left: every write is made durable, as on a real one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from mlguard.embedded import EmbeddedServer

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "80",
    "max_prepared_transactions": "40",
    "shared_buffers": "64MB",
    "max_wal_size": "4GB",
    "deadlock_timeout": "50ms",
    "autovacuum_naptime": "1s",
    "log_min_messages": "fatal",  # refusals are what the writers are here for
}


class CrashingServer(EmbeddedServer):
    """The embedded server, with a power switch."""

    def __init__(self, version: int = 18, *, settings: dict[str, str] | None = None) -> None:
        sync = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}  # faster than file by file
        super().__init__(version, settings={**SETTINGS, **sync, **(settings or {})})

    def crash(self) -> None:
        """Kill the server and all of its processes at once, as when the machine loses its power."""
        assert self._process is not None
        self._end_watch()
        os.kill(self.pid, signal.SIGSTOP)  # or it might start one more between the look and the kill
        family = [self.pid, *children(self.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < deadline:
            time.sleep(0.005)

    @property
    def owner(self) -> str | None:
        """The OS user whom the server runs as, where that is not ours."""
        return self._owner

    @property
    def running(self) -> bool:
        """Whether the server's first process lives."""
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        """Start it on the same folder; it recovers first."""
        assert self.folder is not None
        assert self._process is not None
        command = self._process.args
        assert isinstance(command, list)
        self._end_watch()
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._launch(Path(str(command[0])).parent, self.folder / "data")


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    return [int(child) for child, parent in re.findall(r"(\d+)\s+(\d+)", done.stdout) if int(parent) == pid]
