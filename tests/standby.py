"""A hot standby of an embedded server."""

from __future__ import annotations

from pathlib import Path

from mlguard.embedded import EmbeddedServer


class Standby(EmbeddedServer):
    """Follows another embedded server of the same version, from a base backup on."""

    def __init__(self, primary: EmbeddedServer) -> None:
        super().__init__(primary.version, settings=primary._settings, parent=primary._parent)
        self._primary = primary

    def _fill(self, binaries: Path, data: Path) -> None:
        assert self._primary.folder is not None
        source = f"host={self._primary.folder} user=postgres application_name=standby"
        self._run(
            [binaries / "pg_basebackup", "--pgdata", data, "--dbname", source, "--write-recovery-conf", "--no-sync",
             "--checkpoint=fast", "--wal-method=stream"]
        )  # fmt: skip
