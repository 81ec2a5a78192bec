"""`mlguard models list|register|approve|promote|rollback|retire|diff|usage`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, paint, say
from mlguard.cli.options import ID
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import psycopg

MODEL = click.argument("model", metavar="MODEL")
VERSION = click.argument("version", metavar="VERSION")
OPTIONAL_REASON = click.option("--reason", metavar="TEXT", help="Why; it is kept with your name.")
REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")


@click.group("models", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Work with the versions of models: who trained and approved them, which one is served, what each wrote."""


@command.command("list")
@click.argument("model", required=False, metavar="[MODEL]")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def list_versions(state: State, model: str | None, style: str) -> Exit:
    """List versions, the newest first: state, author, approver, use."""
    from mlguard.operate import model_versions
    from mlguard.report.markup import dumps
    from mlguard.report.models_text import versions_text

    with state.database() as connection:
        found = model_versions(connection, model)
    if style == "json":
        out(dumps([asdict(version) for version in found]))
    elif found:
        out(versions_text(found, paint))
    if not found:
        say("no version is registered")
    return Exit.HOLDS


@command.command("register")
@MODEL
@VERSION
@shared(*DATABASE)
@click.option("--note", metavar="TEXT", help="What others should know about it.")
@click.option("--ticket", type=ID, metavar="N", help="The training ticket it came from.")
@click.pass_obj
def register(state: State, model: str, version: str, note: str | None, ticket: int | None) -> Exit:
    """Register a version you trained; you are its author, and somebody else approves it."""
    from mlguard.operate import register

    return _act(state, lambda db: register(db, model, version, note, ticket), f"{model} {version} is registered")


@command.command("approve")
@MODEL
@VERSION
@shared(*DATABASE)
@OPTIONAL_REASON
@click.pass_obj
def approve(state: State, model: str, version: str, reason: str | None) -> Exit:
    """Let a version write predictions. Its author may not; who logged in counts, not the role that was set."""
    from mlguard.operate import approve

    return _act(state, lambda db: approve(db, model, version, reason), f"{model} {version} is approved")


@command.command("promote")
@MODEL
@VERSION
@shared(*DATABASE)
@click.option("--challenger", is_flag=True, help="It writes beside the champion; none of it is served.")
@OPTIONAL_REASON
@click.pass_obj
def promote(state: State, model: str, version: str, challenger: bool, reason: str | None) -> Exit:
    """Make an approved version the champion: from its COMMIT on all readers of the served view see its rows."""
    from mlguard.operate import promote

    words = f"{model} {version} is {'a challenger' if challenger else 'the champion'}"
    return _act(state, lambda db: promote(db, model, version, reason, challenger=challenger), words)


@command.command("rollback")
@MODEL
@shared(*DATABASE)
@REASON
@click.pass_obj
def rollback(state: State, model: str, reason: str) -> Exit:
    """Serve the approved champion before the present one again; `models promote` takes that back."""
    from mlguard.operate import rollback

    with state.database() as connection:
        version = rollback(connection, model, reason)
    say(f"{model} {version} is the champion again")
    return Exit.HOLDS


@command.command("retire")
@MODEL
@VERSION
@shared(*DATABASE)
@REASON
@click.pass_obj
def retire(state: State, model: str, version: str, reason: str) -> Exit:
    """End a version: where approval is required it may not write from now on."""
    from mlguard.operate import retire

    return _act(state, lambda db: retire(db, model, version, reason), f"{model} {version} is retired")


@command.command("diff")
@MODEL
@click.argument("old", metavar="VERSION")
@click.argument("new", metavar="VERSION")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def diff(state: State, model: str, old: str, new: str, style: str) -> Exit:
    """Show two versions beside each other: people, times, use, and the latest value of each metric by version."""
    from mlguard.operate import model_diff
    from mlguard.report.markup import dumps
    from mlguard.report.models_text import diff_text

    with state.database() as connection:
        found = model_diff(connection, model, old, new)
    out(dumps(asdict(found)) if style == "json" else diff_text(found))
    return Exit.HOLDS


@command.command("usage")
@click.argument("model", required=False, metavar="[MODEL]")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def usage(state: State, model: str | None, style: str) -> Exit:
    """Show what each version wrote, by table: first and last use, rows; versions nobody registered too."""
    from mlguard.operate import model_usage
    from mlguard.report.markup import dumps
    from mlguard.report.models_text import usage_text

    with state.database() as connection:
        found = model_usage(connection, model)
    if style == "json":
        out(dumps([asdict(one) for one in found]))
    elif found:
        out(usage_text(found))
    if not found:
        say("no prediction was written")
    return Exit.HOLDS


def _act(state: State, act: Callable[[psycopg.Connection[Any]], str], words: str) -> Exit:
    with state.database() as connection:
        act(connection)
    say(words)
    return Exit.HOLDS
