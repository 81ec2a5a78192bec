"""The retrain loop from the worker's side: list, claim, keep alive, finish; and `work`, which runs one command so."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError, PlanError
from mlguard.operate.ask import as_rows, listed, near, require_runtime, values

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

# What the functions of mlguard refuse in words: unknown, not claimed, no reason or version given, claimed by another.
_REFUSALS = frozenset({"42704", "55000", "22023", "42501"})
BEATS = 3  # signs of life a lease
PAUSES = (1, 2, 4, 8, 15, 30, 60, 60, 60, 60)  # seconds between tries to record what became of a run


@dataclass(frozen=True)
class Veto:
    """One thing that speaks against training now."""

    table: str
    slo: str
    why: str


@dataclass(frozen=True)
class RetrainRequest:
    """One row of mlguard.retrain_request."""

    id: int
    model: str
    state: str  # requested | vetoed | claimed | done | failed | cancelled
    slo: str | None
    incidents: list[int]
    why: str
    vetoes: list[dict[str, Any]]
    requested_at: datetime
    vetoed_at: datetime | None
    claimed_at: datetime | None
    claimed_by: str | None
    lease_until: datetime | None
    attempts: int
    ticket: int | None
    ended_at: datetime | None
    version: str | None
    outcome: str | None

    @property
    def against(self) -> list[Veto]:
        """What speaks against training now."""
        return [Veto(veto["table"], veto["slo"], veto["why"]) for veto in self.vetoes]


@dataclass(frozen=True)
class Worked:
    """What became of one claim: the request as it is now, and the command's exit code."""

    request: RetrainRequest
    exit_code: int


def retrain_requests(
    connection: psycopg.Connection[Any], model: str | None = None, *, everything: bool = False
) -> list[RetrainRequest]:
    """Return open requests, oldest first; with `everything` ended ones too.

    Raises:
        PlanError: no table of predictions is of that model.
    """
    require_runtime(connection)
    if model is not None:
        _known(connection, model)
    return as_rows(
        connection,
        RetrainRequest,
        "select r.* from mlguard.retrain_request as r where (%(model)s::text is null or r.model = %(model)s)"
        " and (%(everything)s or r.state in ('requested', 'vetoed', 'claimed')) order by r.id",
        model=model,
        everything=everything,
    )


def retrain_request(connection: psycopg.Connection[Any], number: int) -> RetrainRequest:
    """Return one request.

    Raises:
        PlanError: there is none of that number.
    """
    query = "select r.* from mlguard.retrain_request as r where r.id = %(number)s"
    found = as_rows(connection, RetrainRequest, query, number=number)
    if not found:
        raise PlanError(f"there is no request {number} to retrain", help="mlguard retrain list --all")
    return found[0]


def claim_retrain(connection: psycopg.Connection[Any], model: str | None = None) -> RetrainRequest | None:
    """Claim the oldest request that nothing speaks against; None where there is none.

    Raises:
        PlanError: no table of predictions is of that model.
    """
    require_runtime(connection)
    number = _call(connection, "select mlguard.claim_retrain(%(model)s)", model=model)
    return None if number is None else retrain_request(connection, number)


def heartbeat(connection: psycopg.Connection[Any], number: int, *, ticket: int | None = None) -> datetime:
    """Say that the worker lives; return until when the claim holds.

    Args:
        connection: a database with the runtime.
        number: the request.
        ticket: the ticket of the claim, which tells it from one that another worker of the same login has since.

    Raises:
        PlanError: the request is not claimed, or by somebody else.
    """
    query = "select mlguard.heartbeat(%(number)s, %(ticket)s)"
    until: datetime = _call(connection, query, number=number, ticket=ticket)
    return until


def finish_retrain(
    connection: psycopg.Connection[Any],
    number: int,
    *,
    version: str | None = None,
    outcome: str | None = None,
    ticket: int | None = None,
) -> RetrainRequest:
    """End a claim: with the version that was trained, or without one as failed.

    Args:
        connection: a database with the runtime.
        number: the request.
        version: the version that was trained.
        outcome: what became of the run, in words.
        ticket: the ticket of the claim, as for `heartbeat`.

    Raises:
        PlanError: the request is not claimed, or by somebody else.
    """
    _call(
        connection,
        "select mlguard.finish_retrain(%(number)s, %(version)s, %(outcome)s, %(failed)s, %(ticket)s)",
        number=number,
        version=version,
        outcome=outcome,
        failed=version is None,
        ticket=ticket,
    )
    return retrain_request(connection, number)


def request_retrain(connection: psycopg.Connection[Any], model: str, reason: str) -> RetrainRequest:
    """Ask for a training run; the open request of the model where there is one.

    Raises:
        PlanError: no table of predictions is of that model, or no reason was given.
    """
    require_runtime(connection)
    query = "select mlguard.request_retrain(%(model)s, %(reason)s)"
    return retrain_request(connection, _call(connection, query, model=model, reason=reason))


def cancel_retrain(connection: psycopg.Connection[Any], number: int, reason: str) -> None:
    """End an open request without training.

    Raises:
        PlanError: it is not open, or no reason was given.
    """
    _call(connection, "select mlguard.cancel_retrain(%(number)s, %(reason)s)", number=number, reason=reason)


def work(
    connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
    model: str,
    command: Sequence[str],
    say: Callable[[str], None],
) -> Worked | None:
    """Claim one request, run a command for it, keep the claim alive meanwhile, and record what became of it.

    The command finds MLGUARD_MODEL, MLGUARD_RETRAIN_REQUEST and MLGUARD_TICKET in its environment, and writes the name
    of the version it trained into the file MLGUARD_VERSION_FILE. It has failed when its exit code is not 0 or that
    file is empty.

    Args:
        connect: opens a connection; a second one is opened for the signs of life.
        model: the model.
        command: program and arguments; no shell sees them.
        say: where words for people go.

    Raises:
        PlanError: no table of predictions is of that model, or the program does not exist.
        EngineError: the server could not be reached for minutes once the command had ended.
    """
    with connect() as connection:
        request = claim_retrain(connection, model)
        if request is None:
            return None
    say(f"claimed request {request.id} of {model}, ticket {request.ticket}: {request.why}")
    try:
        with tempfile.TemporaryDirectory(prefix="mlguard-") as folder, _kept_alive(connect, request, say):
            version_file = Path(folder) / "version"
            code = _run(request, command, version_file)
            version = version_file.read_text(encoding="utf-8").strip() if version_file.exists() else ""
    except OSError as error:
        _finish(connect, request, None, f"{command[0]}: {error.strerror}", say)
        raise PlanError(f"{command[0]} cannot be run: {error.strerror}", help="write: -- python train.py") from error
    if code != 0:
        outcome, version = f"{command[0]} ended with exit code {code}", ""
    elif not version:
        outcome = f"{command[0]} wrote no version into MLGUARD_VERSION_FILE"
    else:
        outcome = f"{command[0]} trained version {version}"
    return Worked(_finish(connect, request, version or None, outcome, say), code)


def _finish(
    connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
    request: RetrainRequest,
    version: str | None,
    outcome: str,
    say: Callable[[str], None],
) -> RetrainRequest:
    """End the claim on a connection of its own: a run may outlive the connection that claimed it, and the server."""
    import psycopg

    lost = False
    for pause in (*PAUSES, None):
        try:
            with connect() as connection:
                # The answer to a COMMIT may have been lost, not the COMMIT.
                known = retrain_request(connection, request.id) if lost else request
                if known.version is not None and known.version == version:
                    return known
                return finish_retrain(connection, request.id, version=version, outcome=outcome, ticket=request.ticket)
        except (psycopg.OperationalError, EngineError) as error:
            words = str(error).partition("\n")[0]
            if pause is None:
                done = f"--version {shlex.quote(version)}" if version else f"--failed {shlex.quote(outcome)}"
                raise EngineError(
                    f"what became of request {request.id} could not be recorded: {words}",
                    help=f"{outcome}; record it by hand: mlguard retrain done {request.id} {done}",
                ) from error
            say(f"request {request.id}: not recorded yet, trying again in {pause} s: {words}")
            lost = True
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _run(request: RetrainRequest, command: Sequence[str], version_file: Path) -> int:
    environment = os.environ | {
        "MLGUARD_MODEL": request.model,
        "MLGUARD_RETRAIN_REQUEST": str(request.id),
        "MLGUARD_TICKET": str(request.ticket),
        "MLGUARD_VERSION_FILE": str(version_file),
    }
    return subprocess.run(list(command), env=environment, check=False).returncode


class _kept_alive:  # noqa: N801 - read as a verb where it is used: with _kept_alive(…)
    """Signs of life from a thread and a connection of their own, for as long as the block runs."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]],
        request: RetrainRequest,
        say: Callable[[str], None],
    ) -> None:
        self.connect, self.request, self.say = connect, request, say
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat, name="mlguard heartbeat", daemon=True)
        assert request.lease_until is not None
        assert request.claimed_at is not None
        self.pause = max((request.lease_until - request.claimed_at).total_seconds() / BEATS, 0.05)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def _beat(self) -> None:
        while not self.stop.wait(self.pause):
            try:
                with self.connect() as connection:
                    heartbeat(connection, self.request.id, ticket=self.request.ticket)
            except PlanError as error:  # the claim is lost: the command goes on, its version is recorded by hand
                self.say(f"request {self.request.id}: {error.message}")
                return
            except Exception as error:  # noqa: BLE001 - a server that restarts must not end the training run
                self.say(f"request {self.request.id}: no sign of life could be sent: {error}")


def _known(connection: psycopg.Connection[Any], model: str) -> None:
    known = values(connection, "select distinct m.model from mlguard.model as m order by 1")
    if model not in known:
        raise PlanError(
            f"no guarded table holds predictions of model {model}", help=near(model, known) or listed(known, "models")
        )


def _call(connection: psycopg.Connection[Any], query: str, **parameters: object) -> Any:
    """Call a function of mlguard; what it refuses in words is a PlanError.

    Raises:
        PlanError: it refused.
    """
    import psycopg

    try:
        return values(connection, query, **parameters)[0]
    except psycopg.Error as error:
        if error.sqlstate not in _REFUSALS or not (error.diag.message_primary or "").startswith("mlguard: "):
            raise
        with suppress(psycopg.Error):
            connection.rollback()
        said = (error.diag.message_primary or "").removeprefix("mlguard: ")
        raise PlanError(said, help=error.diag.message_hint or "") from error
