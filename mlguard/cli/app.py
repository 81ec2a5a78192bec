"""The root of the command line: shared options, the list of verbs, and what becomes of every error."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mlguard.cli.echo import say
from mlguard.cli.lazy import LazyGroup, Verb
from mlguard.cli.log import FORMATS, choose, is_json, log
from mlguard.cli.state import State, shared
from mlguard.errors import Exit, MlguardError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130  # 128 + SIGINT, as shells count
INSUFFICIENT_PRIVILEGE = "42501"  # SQLSTATE
NO_RIGHTS = "connect as a member of mlguard_platform, or as the role that installed mlguard and owns the table"
BROKEN_PIPE = 141  # 128 + SIGPIPE

VERBS = {
    "demo": Verb("mlguard.cli.verbs.demo", "The whole story on real data, on an embedded PostgreSQL."),
    "init": Verb("mlguard.cli.verbs.init", "Make a project folder with an example."),
    "suggest": Verb("mlguard.cli.verbs.suggest", "Read a table, file or folder and propose an SLO file."),
    "validate": Verb("mlguard.cli.verbs.validate", "Lint SLO files; needs no database."),
    "compile": Verb("mlguard.cli.verbs.compile", "Print the SQL that SLO files become; needs no database."),
    "plan": Verb("mlguard.cli.verbs.plan", "Show the difference between SLO files and database."),
    "apply": Verb("mlguard.cli.verbs.apply", "Make the database what the SLO files say."),
    "revision": Verb("mlguard.cli.verbs.revision", "Write the difference as Alembic revisions."),
    "remove": Verb("mlguard.cli.verbs.remove", "Take every object of a table out again."),
    "check": Verb("mlguard.cli.verbs.check", "Judge the stored rows now."),
    "test": Verb("mlguard.cli.verbs.test", "Run the examples of the SLO files; needs no database."),
    "compare": Verb("mlguard.cli.verbs.compare", "Compare two versions of SLO files on data."),
    "gate": Verb("mlguard.cli.verbs.gate", "Say whether a table may be read; exit 1 while it is held."),
    "status": Verb("mlguard.cli.verbs.status", "Show gates and SLOs: state, place, health."),
    "explain": Verb("mlguard.cli.verbs.explain", "Say why: numbers, band, arithmetic, history."),
    "backtest": Verb("mlguard.cli.verbs.backtest", "Replay the stored rows: which alarms would have fired."),
    "tune": Verb("mlguard.cli.verbs.tune", "Propose better limits, with the evidence, as a diff."),
    "violations": Verb("mlguard.cli.verbs.violations", "List recorded violations."),
    "quarantine": Verb("mlguard.cli.verbs.quarantine", "Work with the rows that were kept out."),
    "review": Verb("mlguard.cli.verbs.review", "Decide about predictions that wait for a person."),
    "incidents": Verb("mlguard.cli.verbs.incidents", "Work with what failed: one alarm per cause."),
    "baseline": Verb("mlguard.cli.verbs.baseline", "Pin or show what distributions are compared with."),
    "models": Verb("mlguard.cli.verbs.models", "Work with the versions of models."),
    "retrain": Verb("mlguard.cli.verbs.retrain", "Work with requests to retrain a model."),
    "audit": Verb("mlguard.cli.verbs.audit", "Read the record of audited acts; verify its chain."),
    "off": Verb("mlguard.cli.verbs.off", "Stop an SLO for some hours, audited."),
    "waive": Verb("mlguard.cli.verbs.waive", "Accept a known failure until a date, audited."),
    "resume": Verb("mlguard.cli.verbs.resume", "End off and waive of an SLO before their time, audited."),
    "watch": Verb("mlguard.cli.verbs.watch", "Sweep for as long as it runs, and print each alert."),
    "graph": Verb("mlguard.cli.verbs.graph", "Draw inputs, tables, models, consumers and open incidents."),
    "report": Verb("mlguard.cli.verbs.report", "Write one HTML file: gates, SLOs, plots, incidents."),
    "bench": Verb("mlguard.cli.verbs.bench", "Measure what mlguard costs on a table, object by object."),
    "doctor": Verb("mlguard.cli.verbs.doctor", "Find what is disabled, bypassed, changed or at risk."),
}


class Root(LazyGroup):
    """The whole command line; `main` turns every way to end into plain words and an exit code."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run one command line and exit."""
        state = State()
        began = perf_counter()
        extra |= {"standalone_mode": False, "obj": state}
        try:
            code = super().main(args, "mlguard", **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            _silence_stdout()
            code = BROKEN_PIPE
        except MlguardError as error:
            _tell(error)
            _traceback_if(state)
            code = error.exit_code
        except click.ClickException as error:
            if is_json():
                log("error", kind="usage", message=error.format_message())
            else:
                error.show()
            code = Exit.USAGE
        except (click.Abort, KeyboardInterrupt):
            say(f"interrupted; {state.so}")
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001 - nobody is left who could handle it
            code = _unexpected(error, state)
        ended = int(code) if isinstance(code, int) else Exit.HOLDS
        log("ended", verb=state.verb, exit_code=int(ended), seconds=round(perf_counter() - began, 3))
        sys.exit(ended)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, and remember it for the log."""
        ctx.ensure_object(State).verb = args[0]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; a closed pipe passes as what it is, since click would end it with the code for a violation."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _silence_stdout()
            return BROKEN_PIPE


def _tell(error: MlguardError) -> None:
    if not is_json():
        say(str(error))
        return
    problems = [
        {"message": one.message, "where": str(one.where) if one.where else None, "help": one.help or None}
        for one in error.problems
    ]
    log("error", kind=type(error).__name__, message=error.message, problems=problems)


def _silence_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain while it exits."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _traceback_if(state: State) -> None:
    if state.verbose:
        say(traceback.format_exc().rstrip())


def _unexpected(error: Exception, state: State) -> Exit:
    """Put a database error into words; call everything else a bug."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(error, psycopg.Error):
        said = (error.diag.message_primary or str(error) or type(error).__name__).strip()
        say(f"mlguard: PostgreSQL answered: {said}")
        help_ = error.diag.message_hint or (NO_RIGHTS if error.sqlstate == INSUFFICIENT_PRIVILEGE else "")
        if help_:
            say(f"   help: {help_}")
    else:
        said = " ".join(str(error).split())
        say(f"mlguard: {type(error).__name__}{': ' if said else ''}{said}")
        say("   this is a bug in mlguard; " + ("please report it" if state.verbose else "-v shows where"))
    _traceback_if(state)
    return Exit.ENGINE


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from mlguard import __version__

        click.echo(f"mlguard {__version__}")
        ctx.exit()


@click.command(
    cls=Root,
    verbs=VERBS,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 holds, 1 an SLO is violated, 2 usage or SLO file wrong, 3 engine could not be reached or"
    " failed, 4 plan not empty (only with --detailed-exitcode).",
)
@shared("dsn", "target", "slos", "models", "select")
@click.option(
    "--format",
    metavar="FORMAT",
    help="How to report, for the verbs that do: text, json and others.",
    expose_value=False,
    callback=lambda ctx, _, value: setattr(ctx.ensure_object(State), "format", value) if value else None,
)
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    metavar="text|json",
    help="How words on stderr are written; json: one object a line. $MLGUARD_LOG says it too.",
    expose_value=False,
    callback=lambda ctx, _, value: choose(value),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """SLOs of feature tables, compiled into PostgreSQL constraints, triggers and read gates."""


def main() -> NoReturn:
    """Run the command line of this process."""
    # What is imported stays: looking through it for garbage, again and again, takes a twentieth of a short run.
    gc.set_threshold(100_000, 50, 50)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show ✓ shows ? instead of a traceback
    cli.main()
