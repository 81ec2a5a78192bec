"""`mlguard demo --models`: a model of arrival delays meets a stormy week, from its approval to its rollback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard import api
from mlguard.demo.delays import BROKEN, FEATURES, FIRST, LAST, MODEL, PREDICTIONS, TRAINED, Days, deliver, environment
from mlguard.demo.people import logged_in, people, require_rights
from mlguard.demo.screen import WIDTH, Screen
from mlguard.demo.story import excerpt, run_story
from mlguard.errors import EngineError

if TYPE_CHECKING:
    import psycopg

People = dict[str, "psycopg.Connection[Any]"]
SHOWN = (
    "table:", "model:", "approval:", "features:", "when_features_held:", "post:", "raw:", "labels:", "leak_guard:",
    "slos:", "  - name: mae_week", "  - name: not_too_late",
)  # fmt: skip
BY_DAY = (
    "select window_start::date as day, segment ->> 'model_version' as version, outcome, n, observed\n"
    "from mlguard.verdict where slo like '%/not_too_late' and current and n > 0\norder by 1 desc, 2 limit 4"
)


def run(write: Callable[[str], None], *, dsn: str | None = None, keep: bool = False) -> None:
    """Tell it on an embedded server, or on `dsn`.

    Args:
        write: takes each line.
        dsn: the reader's own server; a database `mlguard_demo` and three roles are made there, and dropped after it.
        keep: leave them for psql.

    Raises:
        EngineError: no server can be started or reached, whoever connects may not make roles, or something is missing.
    """
    for module, what in (("duckdb", "DuckDB reads the flights"), ("sklearn", "scikit-learn trains the model")):
        if find_spec(module) is None:  # said here, before a server is started
            raise EngineError(f"{what}, and is not installed", help="pip install 'mlguard-db[demo]'")
    if dsn is not None:
        require_rights(dsn)
    run_story(write, partial(tell, keep=keep), dsn=dsn, keep=keep)


def tell(folder: Path, dsn: str, screen: Screen, *, keep: bool = False) -> None:
    """Tell it on an empty database.

    Args:
        folder: examples/flights.
        dsn: a database without schemas features, predictions, labels and raw.
        screen: where it is told.
        keep: leave the roles.
    """
    import psycopg

    example = folder / "model"
    with tempfile.TemporaryDirectory(prefix="mlguard-models-") as kept, psycopg.connect(dsn, autocommit=True) as owner:
        models = Path(kept)
        owner.execute((example / "schema.sql").read_bytes())
        flights = deliver(owner, folder)
        _apply(owner, folder, dsn, models, flights, screen)
        with people(owner, dsn, keep=keep) as who, logged_in(who) as opened:
            days = Days(owner, opened["scorer"], example, models)
            _approval(opened, days, screen)
            _calm_week(opened, days, screen)
            _storm(opened, days, who["anna"], screen)
            _broken_features(days, screen)
            _retrain(opened, days, who["anna"], screen)
            _rollback(opened, days, screen)
            _record(opened, screen)


def _apply(owner: psycopg.Connection[Any], folder: Path, dsn: str, models: Path, flights: int, screen: Screen) -> None:
    screen.chapter("1. A model, and what is asked of it")
    screen.say(
        f"A model predicts how late flights from New York arrive, from what is known when they leave. {flights} real"
        f" flights from {FIRST:%-d %B} to {LAST:%-d %B %Y}, moved to today by whole weeks and called by their days in"
        " 2013. Its SLO file, in part (examples/flights/model/slos/arrival_delay.slo.yaml):"
    )
    slos = folder / "model" / "slos"
    screen.show(excerpt((slos / "arrival_delay.slo.yaml").read_text(encoding="utf-8"), SHOWN))
    api.apply(api.load(slos), dsn)
    # Three weeks are played in a minute; windows that ended before an SLO was in force are history, and act on nothing.
    owner.execute("update mlguard._slo set since = since - interval '60 days'")
    screen.say(
        "Applied; as if two months ago, for three weeks are played in a minute. The first version learns from May:"
    )
    command = ["train.py", "--from-file", "../flights_2013.parquet", "--first", "2013-05-01", "--last", "2013-05-31"]
    _shell([sys.executable, *command, "--version", "1"], "python " + " ".join(command) + " --version 1", folder, screen,
           environment(dsn, models))  # fmt: skip


def _approval(who: People, days: Days, screen: Screen) -> None:
    screen.chapter("2. Nobody serves what nobody approved")
    screen.say("Anna trained it and registers it. The job that writes predictions tries it at once:")
    screen.run(who["anna"], f"select mlguard.register('{MODEL}', '1', 'flights of May')")
    days.features(FIRST)
    row = (
        f"insert into {PREDICTIONS} (flight_date, carrier, flight, origin, sched_dep, predicted, model_version)\n"
        f"select flight_date, carrier, flight, origin, sched_dep, 12, '1' from {FEATURES} limit 1"
    )
    screen.run(who["scorer"], row)
    screen.say("Approval takes somebody else, who logs in as himself. Bert has looked at its errors on calm days:")
    screen.run(who["bert"], f"select mlguard.approve('{MODEL}', '1', 'mae 26 minutes on calm days')")
    screen.run(who["bert"], f"select mlguard.promote('{MODEL}', '1')")
    days.predict(FIRST, "1")


def _calm_week(who: People, days: Days, screen: Screen) -> None:
    screen.chapter("3. A calm week")
    for day in _days(FIRST + timedelta(days=1), date(2013, 6, 25)):
        days.day(day, "1")
    screen.say(
        "Every day: features, predictions by COPY, and yesterday's labels; some come a day late, and on 19 June those"
        " of one airline came with the wrong sign and were corrected. Steps mend predictions before anybody sees them:"
    )
    screen.run(
        days.owner,
        "select split_part(rule, '.', 3) as step, count(*), min((old #>> '{}')::float8)::numeric(6, 1) as least,\n"
        "  max((old #>> '{}')::float8)::numeric(6, 1) as most, min((new #>> '{}')::float8) as becomes\n"
        "from mlguard.change where rule like '%/post.%' group by 1",
    )
    screen.say("What says over 140 minutes waits for a person, and no reader of the guarded view sees it meanwhile:")
    screen.run(
        who["bert"],
        "select id, key ->> 'carrier' as carrier, key ->> 'flight' as flight, step, status\n"
        "from mlguard.review order by id limit 3",
    )
    screen.run(
        who["bert"],
        "select count(*) as accepted\nfrom (select id from mlguard.review where status = 'pending') as r,\n"
        "  mlguard.review_accept(r.id, 'the storm is real')",
    )
    screen.say("The week of 17 June, judged once its labels are final:")
    screen.run(days.owner, _weeks())


def _storm(who: People, days: Days, anna: str, screen: Screen) -> None:
    screen.chapter("4. Thunderstorms, and a feature that is lost")
    for day in _days(date(2013, 6, 26), BROKEN):
        days.day(day, "1")
    screen.say(
        "From 24 June on there is a storm over New York on nearly every day. On 1 July the job that computes features"
        " loses the delays of the hour before, for two flights in three. Next morning at six mlguard sweeps:"
    )
    days.morning(TRAINED)
    screen.run(days.owner, _weeks())
    screen.say("The SLO says then: [retrain]. The request is there, and vetoed: one cannot learn from a broken table.")
    screen.run(
        days.owner, "select state, slo as asked_by, vetoes -> 0 ->> 'slo' as vetoed_by from mlguard.retrain_request"
    )
    _work(days, anna, screen)
    screen.say("Nor can anybody train by hand:")
    screen.run(who["anna"], f"select mlguard.begin_training('{MODEL}')")


def _broken_features(days: Days, screen: Screen) -> None:
    screen.chapter("5. Which predictions were made on broken features?")
    days.features(TRAINED)
    screen.say(
        "The flights of 2 July cannot wait. when_features_held: fallback has them predicted as 0 minutes, by the step"
        " that stands in for a missing value; the model's own value is kept beside, and the batch is marked:"
    )
    days.predict(TRAINED, "1")
    screen.run(
        days.owner,
        "select p.flight_date, count(*), min(p.predicted) as least, max(p.predicted) as most,\n"
        "  max(p.raw_predicted)::numeric(6, 1) as model_said,\n"
        f"  b.inputs -> '{FEATURES}' -> 'slos' ->> 0 as broken\n"
        f"from {PREDICTIONS} as p\njoin mlguard.prediction_batch as b on b.xid = p.written_in\n"
        "where b.inputs_held group by 1, 6",
    )


def _retrain(who: People, days: Days, anna: str, screen: Screen) -> None:
    screen.chapter("6. The features are mended, and the model learns of storms")
    screen.run(
        days.owner,
        f"update {FEATURES} as d\nset origin_delay_1h = f.origin_delay_1h\nfrom raw.flight as f\n"
        "where d.origin_delay_1h is null and f.origin_delay_1h is not null\n"
        "  and (d.flight_date, d.carrier, d.flight, d.origin) = (f.flight_date, f.carrier, f.flight, f.origin)",
    )
    screen.say("Nobody lifts the veto. The next sweep judges 1 July anew, and finds nothing against it any more:")
    days.sweep(TRAINED, "12:00")
    screen.run(days.owner, "select state, vetoes from mlguard.retrain_request")
    _work(days, anna, screen)
    screen.say(
        "train.py read predictions.arrival_delay_training(ticket): features as they were when each flight left, labels"
        " that came later and are final. Bert approves version 2, and promotes it; version 1 writes on as challenger:"
    )
    screen.run(who["bert"], f"select mlguard.approve('{MODEL}', '2', 'it has seen storms')")
    screen.run(who["bert"], f"select mlguard.promote('{MODEL}', '2'), mlguard.challenge('{MODEL}', '1')")


def _rollback(who: People, days: Days, screen: Screen) -> None:
    screen.chapter("7. The sun comes out on Independence Day")
    for day in _days(TRAINED + timedelta(days=1), LAST - timedelta(days=1)):
        days.day(day, "1", "2")
    days.morning(LAST)
    screen.say("Version 2 learned that flights are late. On a quiet holiday it is wrong by more than the desk allows:")
    screen.run(days.owner, BY_DAY)
    screen.say("then: [rollback_model]. The version before it holds on the same day, so it serves again:")
    screen.run(
        days.owner,
        "select version, state, author, approver, predictions\nfrom mlguard.model_version order by version",
    )
    screen.run(days.owner, f"select model_version, count(*) from {PREDICTIONS}_served group by 1")
    screen.run(days.owner, "select subject from mlguard.outbox where event = 'acted'")


def _record(who: People, screen: Screen) -> None:
    screen.chapter("8. Who did what")
    screen.run(
        who["bert"],
        "select act, target, who, coalesce(reason, '') as why from mlguard.event\n"
        "where act in ('approve', 'promote', 'rollback', 'veto retrain', 'release retrain') order by id",
    )
    screen.say("The record is chained; whoever changes it is found out:")
    screen.run(who["bert"], "select * from mlguard.audit_head()")
    screen.run(who["bert"], "select * from mlguard.verify_audit()")


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _weeks() -> str:
    return (
        "select window_start::date as week, outcome, n, observed, allowed\n"
        "from mlguard.verdict where slo like '%/mae_week' and current and n > 0 order by 1"
    )


def _work(days: Days, anna: str, screen: Screen) -> None:
    """Run a worker, as Anna."""
    command = [sys.executable, "-m", "mlguard", "retrain", "work", "--model", MODEL, "--", sys.executable, "train.py"]
    shown = f"mlguard retrain work --model {MODEL} -- python train.py"
    _shell(command, shown, days.folder.parent, screen, environment(anna, days.models))


def _shell(command: Sequence[str], shown: str, folder: Path, screen: Screen, more: dict[str, str]) -> None:
    """Run a program in examples/flights/model, and show what it says.

    Raises:
        EngineError: it failed.
    """
    done = subprocess.run(
        command,
        cwd=folder / "model",
        env=os.environ | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    screen.show(f"$ {shown}")
    for line in done.stdout.splitlines():
        screen.show(textwrap.fill(line, WIDTH - 4, subsequent_indent="  ", break_long_words=False))
    if done.returncode:
        raise EngineError(f"{shown} failed with exit code {done.returncode}", help="its words are above")
