"""`mlguard retrain list|request|claim|work|done|cancel`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, paint, say
from mlguard.cli.options import ID
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from mlguard.operate.retrain import RetrainRequest

REQUEST = click.argument("request", type=ID, metavar="REQUEST")
REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")


@click.group("retrain", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Work with requests to retrain: who asked, what speaks against it, who trains.

    An SLO with `then: [retrain]` asks once an incident. While an input of the model is held, or failed in the training
    window, the request is vetoed; it is released by itself when they are good again.
    """


@command.command("list")
@click.argument("model", required=False, metavar="[MODEL]")
@shared(*DATABASE)
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@formats("text", "json")
@click.pass_obj
def list_requests(state: State, model: str | None, everything: bool, style: str) -> Exit:
    """List open requests, the oldest first, each with what speaks against it."""
    from mlguard.operate.retrain import retrain_requests
    from mlguard.report.markup import dumps
    from mlguard.report.retrain_text import requests_text

    with state.database() as connection:
        found = retrain_requests(connection, model, everything=everything)
    if style == "json":
        out(dumps([asdict(request) for request in found]))
    elif found:
        out(requests_text(found, paint))
    if not found:
        say("no request to retrain" if everything else "no request to retrain is open")
    return Exit.HOLDS


@command.command("request")
@click.argument("model", metavar="MODEL")
@shared(*DATABASE)
@REASON
@click.pass_obj
def request(state: State, model: str, reason: str) -> Exit:
    """Ask for a training run by hand."""
    from mlguard.operate.retrain import request_retrain

    with state.database() as connection:
        _tell(request_retrain(connection, model, reason))
    return Exit.HOLDS


@command.command("claim")
@click.argument("model", required=False, metavar="[MODEL]")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def claim(state: State, model: str | None, style: str) -> Exit:
    """Claim the oldest request that nothing speaks against; exit 1 where there is none.

    The claim holds for the model's lease (10 minutes unless set otherwise) and has to be ended by `mlguard retrain
    done`; `mlguard retrain work` does both and keeps the claim alive.
    """
    from mlguard.operate.retrain import claim_retrain, retrain_requests
    from mlguard.report.markup import dumps

    with state.database() as connection:
        found = claim_retrain(connection, model)
        waiting = [] if found else retrain_requests(connection, model)
    if found is None:
        _nothing_to_claim(waiting)
        return Exit.VIOLATED
    out(dumps(asdict(found)) if style == "json" else str(found.id))
    say(f"request {found.id} of {found.model}, ticket {found.ticket}: {found.why}")
    return Exit.HOLDS


@command.command("work", context_settings={"ignore_unknown_options": True})
@shared(*DATABASE)
@click.option("--model", required=True, metavar="MODEL", help="The model this worker trains.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.pass_obj
def work(state: State, model: str, command: tuple[str, ...]) -> Exit:
    """Claim one request, run a command for it, and record what became of it; exit 1 where it failed.

    As in: mlguard retrain work --model churn -- python train.py

    The command finds MLGUARD_MODEL, MLGUARD_RETRAIN_REQUEST and MLGUARD_TICKET in its environment and writes the name
    of the version it trained into the file MLGUARD_VERSION_FILE. The version is registered; somebody else approves it.
    Run it from cron or a loop: where nothing is to be done it ends at once with exit 0.
    """
    from mlguard.operate.retrain import retrain_requests
    from mlguard.operate.retrain import work as run

    state.so = "the claim ends by itself when its lease is over"
    worked = run(state.database, model, command, say)
    if worked is None:
        with state.database() as connection:
            _nothing_to_claim(retrain_requests(connection, model))
        return Exit.HOLDS
    _tell(worked.request)
    return Exit.HOLDS if worked.request.state == "done" else Exit.VIOLATED


@command.command("done")
@REQUEST
@shared(*DATABASE)
@click.option("--version", metavar="VERSION", help="The version that was trained; it is registered.")
@click.option("--failed", metavar="TEXT", help="The run failed, and why.")
@click.pass_obj
def done(state: State, request: int, version: str | None, failed: str | None) -> Exit:
    """End a claim: --version with what was trained, or --failed with why not."""
    from mlguard.operate.retrain import finish_retrain

    if (version is None) == (failed is None):
        raise click.UsageError("say what came of it: --version VERSION, or --failed 'why'")
    with state.database() as connection:
        _tell(finish_retrain(connection, request, version=version, outcome=failed))
    return Exit.HOLDS


@command.command("cancel")
@REQUEST
@shared(*DATABASE)
@REASON
@click.pass_obj
def cancel(state: State, request: int, reason: str) -> Exit:
    """End an open request without training."""
    from mlguard.operate.retrain import cancel_retrain

    with state.database() as connection:
        cancel_retrain(connection, request, reason)
    say(f"request {request} is cancelled")
    return Exit.HOLDS


def _nothing_to_claim(waiting: list[RetrainRequest]) -> None:
    if not waiting:
        say("no request to retrain is open")
    for request in waiting:
        if request.state == "claimed":
            say(f"request {request.id} of {request.model} is claimed by {request.claimed_by}")
        for veto in request.against:
            say(f"request {request.id} of {request.model} is vetoed: {veto.why}")


def _tell(request: RetrainRequest) -> None:
    words = f"request {request.id} of {request.model} is {request.state}"
    if request.version:
        words += f": version {shlex.quote(request.version)} is registered; somebody else approves it"
    elif request.outcome:
        words += f": {request.outcome}"
    say(words)
    for veto in request.against:
        say(f"   vetoed: {veto.why}")
