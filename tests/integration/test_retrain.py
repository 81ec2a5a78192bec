from __future__ import annotations

import json
import sys
import textwrap
import threading
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.errors import PlanError, SpecError
from mlguard.operate import baseline, retrain
from tests.loop_example import FEATURES, PREDICTIONS, features, guard, one, people, predict, serve, sweep
from tests.support import project, query


@pytest.fixture
def dsn(guarded_db: str, tmp_path: Path) -> str:
    guard(guarded_db, tmp_path)
    return guarded_db


def test_an_slo_asks_once_an_incident_and_after_the_cooldown(dsn: str) -> None:
    predict(dsn, 1, "1", 0.9)
    sweep(dsn)
    sweep(dsn)
    found = query(dsn, "select state, slo, cardinality(incidents), why from mlguard.retrain_request")
    assert [row[:3] for row in found] == [("requested", "predictions.churn/mean_score", 1)]
    assert "mean(score) is 0.9" in str(found[0][3])

    number = one(dsn, "select mlguard.claim_retrain('churn')")
    assert one(dsn, f"select mlguard.finish_retrain({number}, '2')") == "done"
    query(dsn, "select mlguard.resolve(i.id, 'seen') from mlguard.incident i where i.state <> 'resolved'")
    predict(dsn, 2, "1", 0.9)
    sweep(dsn)
    assert one(dsn, "select count(*) from mlguard.retrain_request") == 1, "the last run has to show what it brought"
    query(dsn, "select mlguard.set_retrain_policy('churn', p_cooldown => '0')")
    sweep(dsn)
    states = query(dsn, "select state from mlguard.retrain_request order by id")
    assert states == [("done",), ("requested",)]


def test_a_bad_input_vetoes_and_releases_by_itself(dsn: str) -> None:
    features(dsn, 1, missing=True)
    predict(dsn, 1, "1", 0.9)
    sweep(dsn)
    (state, vetoes), *_ = query(dsn, "select state, vetoes from mlguard.retrain_request")
    assert state == "vetoed"
    assert isinstance(vetoes, list)
    assert [veto["slo"] for veto in vetoes] == ["features.customer/age_coverage"]
    assert "coverage(age) is 0.5" in vetoes[0]["why"]
    assert one(dsn, "select mlguard.claim_retrain('churn')") is None

    query(dsn, "update features.customer set age = 30 where age is null returning 1")
    sweep(dsn)
    sweep(dsn)
    assert query(dsn, "select state, vetoes from mlguard.retrain_request") == [("requested", [])]
    acts = query(dsn, "select act from mlguard.event where target = 'model churn' order by id")
    assert [act for (act,) in acts][:3] == ["request retrain", "veto retrain", "release retrain"]


def test_a_failed_day_in_the_training_window_vetoes_until_somebody_judges_it(dsn: str) -> None:
    features(dsn, 3, missing=True)
    features(dsn, 2)
    sweep(dsn)
    query(dsn, "update mlguard._hold set ended_at = now(), ended_by = 'test' returning 1")
    with pytest.raises(psycopg.Error, match=r"must not be trained now: features\.customer: coverage") as caught:
        query(dsn, "select mlguard.begin_training('churn')")
    assert caught.value.sqlstate == "ML002"
    detail = json.loads(str(caught.value.diag.message_detail))
    assert detail["model"] == "churn"
    assert caught.value.diag.constraint_name == "features.customer/age_coverage"
    recent = "select mlguard.begin_training('churn', now() - interval '2 days')"
    assert one(dsn, recent) == 1
    query(dsn, "select mlguard.label(i.id, 'expected', 'a known gap') from mlguard.incident i")
    assert one(dsn, "select mlguard.begin_training('churn')") == 2


def test_a_ticket_names_the_batches_and_windows_that_were_judged_good(dsn: str) -> None:
    features(dsn, 2)
    features(dsn, 1)
    predict(dsn, 1, "1", 0.2)
    sweep(dsn)
    number = one(dsn, "select mlguard.begin_training('churn')")
    inputs = one(dsn, f"select inputs from mlguard.training_ticket where id = {number}")
    assert set(inputs) == {"features.customer", "predictions.churn"}
    assert len(inputs["features.customer"]["windows"]) == 2
    assert "features.customer/age_coverage" in inputs["features.customer"]["slos"]


def test_training_reads_features_as_of_the_prediction_and_needs_a_ticket(dsn: str) -> None:
    for days in (3, 2, 1):
        features(dsn, days, n=120)
    query(dsn, "update features.customer set age = 31 where event_ts > now() - interval '2 days' returning 1")
    predict(dsn, 2, "1", 0.2)
    sweep(dsn)
    number = one(dsn, "select mlguard.begin_training('churn')")
    rows = query(
        dsn,
        f"select count(*), max(customer_age), bool_and(customer_event_ts <= as_of)"
        f" from predictions.churn_training({number})",
    )
    assert rows == [(100, 30, True)]
    with pytest.raises(psycopg.Error, match="999 is no training ticket of model churn") as caught:
        query(dsn, "select * from predictions.churn_training(999)")
    assert caught.value.sqlstate == "ML002"
    features(dsn, 4, missing=True)
    sweep(dsn)
    with pytest.raises(psycopg.Error, match=f"ticket {number} was given before that"):
        query(dsn, f"select * from predictions.churn_training({number})")


def test_two_workers_never_get_the_same_request(dsn: str) -> None:
    query(dsn, "select mlguard.request_retrain('churn', 'by hand')")
    claimed: list[object] = []

    def claim() -> None:
        claimed.append(one(dsn, "select mlguard.claim_retrain('churn')"))

    workers = [threading.Thread(target=claim) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed, key=str) == [1, None, None, None, None, None]


def test_a_dead_worker_gives_its_claim_up_and_too_many_of_them_fail_it(dsn: str) -> None:
    query(dsn, "select mlguard.set_retrain_policy('churn', p_lease => '50 ms', p_attempts => 2)")
    query(dsn, "select mlguard.request_retrain('churn', 'by hand')")
    for attempt in (1, 2):
        assert one(dsn, "select mlguard.claim_retrain('churn')") == 1
        query(dsn, "select pg_sleep(0.1)")
        assert one(dsn, "select attempts from mlguard.retrain_request") == attempt
    sweep(dsn)
    (state, outcome), *_ = query(dsn, "select state, outcome from mlguard.retrain_request")
    assert state == "failed"
    assert "no sign of life" in str(outcome)
    with pytest.raises(PlanError, match="request 1 is failed, not claimed"), psycopg.connect(dsn, autocommit=True) as c:
        retrain.heartbeat(c, 1)


def test_work_runs_the_command_keeps_the_claim_and_registers_the_version(dsn: str, tmp_path: Path) -> None:
    query(dsn, "select mlguard.set_retrain_policy('churn', p_lease => '400 ms')")
    query(dsn, "select mlguard.request_retrain('churn', 'by hand')")
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import os, pathlib, time
        time.sleep(1.2)
        assert os.environ["MLGUARD_MODEL"] == "churn" and int(os.environ["MLGUARD_TICKET"]) > 0
        pathlib.Path(os.environ["MLGUARD_VERSION_FILE"]).write_text("2026-12\\n")
        """),
        encoding="utf-8",
    )
    said: list[str] = []
    connect = lambda: psycopg.connect(dsn, autocommit=True)  # noqa: E731 - what work() takes
    worked = retrain.work(connect, "churn", [sys.executable, str(script)], said.append)
    assert worked is not None
    assert (worked.request.state, worked.request.version, worked.exit_code) == ("done", "2026-12", 0)
    assert said == ["claimed request 1 of churn, ticket 1: by hand"]
    assert query(dsn, "select version, state, ticket from mlguard.model_version") == [("2026-12", "registered", 1)]
    assert retrain.work(connect, "churn", ["true"], said.append) is None


def test_a_command_that_fails_is_tried_again_by_the_next_worker(dsn: str) -> None:
    query(dsn, "select mlguard.request_retrain('churn', 'by hand')")
    connect = lambda: psycopg.connect(dsn, autocommit=True)  # noqa: E731 - what work() takes
    states = []
    for _ in range(3):
        worked = retrain.work(connect, "churn", [sys.executable, "-c", "raise SystemExit(3)"], lambda _: None)
        assert worked is not None
        states.append((worked.request.state, worked.exit_code))
    assert states == [("requested", 3), ("requested", 3), ("failed", 3)]
    query(dsn, "select mlguard.request_retrain('churn', 'again')")
    with pytest.raises(PlanError, match="no-such-program cannot be run"):
        retrain.work(connect, "churn", ["no-such-program"], lambda _: None)


def test_a_champion_that_fails_where_the_one_before_holds_is_rolled_back_once(dsn: str) -> None:
    with people(dsn, "ann", "bob") as who:
        serve(who, "1", "2")
        predict(dsn, 1, "1", 0.2)
        predict(dsn, 1, "2", 0.9)
        done = sweep(dsn)
        assert done["models rolled back"] == 1
        champion = "select version from mlguard.model_version where state = 'champion'"
        assert one(dsn, champion) == "1"
        told = query(dsn, "select subject from mlguard.outbox where event = 'acted' order by id")
        assert any("model churn was rolled back from version 2 to 1" in str(subject) for (subject,) in told)
        query(who["bob"], "select mlguard.promote('churn', '2', 'I know better')")
        assert sweep(dsn)["models rolled back"] == 0, "the same incident does not overrule a person"
        assert one(dsn, champion) == "2"


def test_no_rollback_without_evidence_for_the_version_before(dsn: str) -> None:
    with people(dsn, "ann", "bob") as who:
        serve(who, "1", "2")
        predict(dsn, 1, "1", 0.2, n=5)
        predict(dsn, 1, "2", 0.9)
        assert sweep(dsn)["models rolled back"] == 0
        assert one(dsn, "select version from mlguard.model_version where state = 'champion'") == "2"


def test_withdrawn_rows_are_left_out_until_somebody_decides(dsn: str) -> None:
    predict(dsn, 1, "1", 0.2)
    predict(dsn, 1, "2", 0.9)
    predict(dsn, 2, "2", 0.1)
    assert sweep(dsn)["windows withdrawn"] == 1
    guarded = "select model_version, count(*) from predictions.churn_guarded group by 1 order by 1"
    assert query(dsn, guarded) == [("1", 100), ("2", 100)]
    assert query(dsn, "select segment, ended_at from mlguard.withdrawal") == [({"model_version": "2"}, None)]
    query(dsn, "select mlguard.reinstate(1, 'customers saw it anyway')")
    sweep(dsn)
    assert query(dsn, guarded) == [("1", 100), ("2", 200)]
    with pytest.raises(psycopg.Error, match="there is no withdrawal 1, or it has ended"):
        query(dsn, "select mlguard.reinstate(1, 'again')")


@pytest.mark.parametrize(
    ("slo", "words"),
    [
        ("{name: s, check: score >= 0, then: [retrain]}", "only SLOs over metrics open one"),
        ("{name: s, check: mean(score) <= 1, then: [rollback_model]}", "by: model_version"),
        ("{name: s, check: mean(score) <= 1, over: last 2 days, then: [withdraw]}", "calendar window"),
        ("{name: s, check: mean(score) <= 1, over: batch, then: [withdraw]}", "calendar window"),
    ],
)
def test_an_action_that_could_never_happen_is_refused(guarded_db: str, tmp_path: Path, slo: str, words: str) -> None:
    guard(guarded_db, tmp_path)
    head = PREDICTIONS.partition("slos:")[0]
    wrong = project(tmp_path, f"{head}slos:\n  - {slo}\n", "predictions.slo.yaml")
    with pytest.raises(SpecError) as caught:
        api.plan(wrong, guarded_db)
    assert words in str(caught.value)


def test_actions_of_a_model_are_refused_in_the_file_of_a_feature_table(guarded_db: str, tmp_path: Path) -> None:
    guard(guarded_db, tmp_path)
    wrong = FEATURES.replace("reopen: same", "reopen: same, then: [retrain]")
    with pytest.raises(SpecError, match="holds no predictions of a model"):
        api.plan(project(tmp_path, wrong, "features.slo.yaml"), guarded_db)


def test_a_second_plan_has_nothing_to_do(dsn: str, tmp_path: Path) -> None:
    assert api.plan(api.load(tmp_path / "slos"), dsn).empty


def test_remove_takes_it_all_away(dsn: str) -> None:
    predict(dsn, 1, "1", 0.9)
    sweep(dsn)
    api.remove(None, dsn)
    left = query(
        dsn,
        "select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname in ('features', 'predictions')",
    )
    assert left == []


COMPARED = """
mlguard: 1
table: features.customer
key: [customer_id, event_ts]
event_time: event_ts
baseline: version
slos:
  - {name: plans, check: psi(plan) <= 0.2, over: 1 day}
"""


def test_a_baseline_is_what_the_champion_was_trained_on(guarded_db: str, tmp_path: Path) -> None:
    guard(guarded_db, tmp_path, features=COMPARED)
    features(guarded_db, 3, n=400)
    with people(guarded_db, "ann", "bob") as who:
        ticket = one(who["ann"], "select mlguard.begin_training('churn')")
        query(who["ann"], f"select mlguard.register('churn', '7', null, {ticket})")
        assert sweep(guarded_db)["baselines of new champions"] == 0
        query(who["bob"], "select mlguard.approve('churn', '7', 'fine')")
        query(who["bob"], "select mlguard.promote('churn', '7', 'fine')")
        assert sweep(guarded_db)["baselines of new champions"] == 1
        assert sweep(guarded_db)["baselines of new champions"] == 0
    found = query(guarded_db, "select source, state, n from mlguard.baseline")
    assert found == [(f"ticket {ticket} of model churn", "frozen", 400)]
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        again = baseline.set_from_training(connection, "features.customer", version="churn:7")
        assert again == 2
        with pytest.raises(PlanError, match="no version churn:8 is registered"):
            baseline.set_from_training(connection, "features.customer", version="churn:8")
        with pytest.raises(PlanError, match="no training ticket 99"):
            baseline.set_from_training(connection, "features.customer", ticket=99)


def test_an_slo_that_is_off_asks_for_nothing(dsn: str) -> None:
    with people(dsn, "ann", "bob") as who:
        serve(who, "1", "2")
        predict(dsn, 1, "2", 0.9)
        query(dsn, "select mlguard.request_retrain('churn', 'by hand')")
        sweep(dsn)
        query(
            dsn, "select mlguard.cancel_retrain(1, 'not now'), mlguard.set_retrain_policy('churn', p_cooldown => '0')"
        )
        query(dsn, "update mlguard._retrain_request set incidents = '{}' returning 1")
        query(dsn, "select mlguard.off('predictions.churn/mean_score', interval '4 hours', 'we know')")
        predict(dsn, 1, "1", 0.2)
        predict(dsn, 2, "1", 0.9)
        done = sweep(dsn)
        assert done["models rolled back"] == done["retrain requests opened"] == 0
        assert one(dsn, "select version from mlguard.model_version where state = 'champion'") == "2"
        query(dsn, "select mlguard.resume('predictions.churn/mean_score', 'go on')")
        done = sweep(dsn)
        assert done["models rolled back"] == done["retrain requests opened"] == 1


def test_a_worker_that_was_taken_for_dead_ends_nobody_elses_claim(dsn: str) -> None:
    query(dsn, "select mlguard.set_retrain_policy('churn', p_lease => '50 ms')")
    query(dsn, "select mlguard.request_retrain('churn', 'by hand')")
    with psycopg.connect(dsn, autocommit=True) as connection:
        lost = retrain.claim_retrain(connection, "churn")
        query(dsn, "select pg_sleep(0.1)")
        query(dsn, "select mlguard.set_retrain_policy('churn', p_lease => '10 minutes')")
        held = retrain.claim_retrain(connection, "churn")
        assert lost is not None
        assert held is not None
        assert (lost.id, lost.ticket, held.ticket) == (held.id, 1, 2)
        for act in (
            lambda: retrain.heartbeat(connection, lost.id, ticket=lost.ticket),
            lambda: retrain.finish_retrain(connection, lost.id, version="of the dead", ticket=lost.ticket),
        ):
            with pytest.raises(PlanError, match="request 1 was claimed again since, with ticket 2"):
                act()
        assert query(dsn, "select count(*) from mlguard.model_version") == [(0,)]
        retrain.heartbeat(connection, held.id, ticket=held.ticket)
        assert retrain.finish_retrain(connection, held.id, version="2", ticket=held.ticket).state == "done"
