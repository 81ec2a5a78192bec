"""Versions of models: who may register, approve and promote, how a rollback finds its way, what is on record."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.models_example import People, people, refused
from tests.support import prepare, query


@pytest.fixture
def team(db: str) -> Iterator[People]:
    with people(db) as found:
        yield found


def states(team: People, model: str = "churn") -> dict[object, object]:
    return dict(query(team.owner, f"select version, state from mlguard.model_version where model = '{model}'"))  # type: ignore[arg-type]


def test_a_version_s_way(team: People) -> None:
    prepare(team["anna"], "select mlguard.register('churn', '7', 'more trees', 12)")
    [(state, author, note, ticket)] = query(
        team.owner, "select state, author, note, ticket from mlguard.model_version where version = '7'"
    )
    assert (state, author, note, ticket) == ("registered", "anna", "more trees", 12)
    prepare(team["bert"], "select mlguard.approve('churn', '7', 'mae 0.1')")
    prepare(team["carl"], "select mlguard.promote('churn', '7')")
    assert query(team.owner, "select state, approver, promoted_by from mlguard.model_version") == [
        ("champion", "bert", "carl")
    ]
    assert query(
        team.owner, "select act, who, target, reason from mlguard.event where target ~ '^churn' order by id"
    ) == [
        ("register", "anna", "churn version 7", "more trees"),
        ("approve", "bert", "churn version 7", "mae 0.1"),
        ("promote", "carl", "churn version 7", None),
    ]


def test_the_author_may_not_approve_in_whatever_role(team: People) -> None:
    """He may do both, but not both to one version; SET ROLE does not make him somebody else."""
    prepare(team.owner, "grant carl to bert")
    prepare(team["bert"], "select mlguard.register('churn', '1')")
    for way in ("", "set role carl; ", "set role mlguard_platform; "):
        error = refused(team["bert"], way + "select mlguard.approve('churn', '1', 'mine')")
        assert error.sqlstate == "42501"
        assert error.diag.message_primary == (
            "mlguard: model churn version 1 was registered by bert: its author may not approve it"
        )
    prepare(team["carl"], "select mlguard.approve('churn', '1')")
    assert states(team) == {"1": "approved"}


def test_a_superuser_is_one_person_too(team: People) -> None:
    prepare(team.owner, "select mlguard.register('churn', '1')")
    assert refused(team.owner, "select mlguard.approve('churn', '1')").sqlstate == "42501"
    error = refused(
        team.owner,
        "update mlguard._model_version set approver = author, state = 'approved'",
    )
    assert error.diag.constraint_name == "_model_version_approver"


def test_an_author_in_another_role_is_the_author(team: People) -> None:
    """Registering under SET ROLE does not hide who trained it either."""
    prepare(team.owner, "grant anna to bert")
    prepare(team["bert"], "set role anna; select mlguard.register('churn', '1')")
    assert query(team.owner, "select author from mlguard.model_version") == [("bert",)]
    assert refused(team["bert"], "select mlguard.approve('churn', '1')").sqlstate == "42501"


def test_who_may_do_what(team: People) -> None:
    team.approved("1", "2")
    team.promote("1")
    acts = {
        "select mlguard.approve('churn', '3')": {"bert"},
        "select mlguard.promote('churn', '2')": {"bert"},
        "select mlguard.challenge('churn', '2')": {"bert"},
        "select mlguard.rollback('churn', 'bad')": {"bert"},
        "select mlguard.retire('churn', '2', 'old')": {"bert"},
        "select * from mlguard.verify_audit()": {"bert"},
        "select * from mlguard.audit_head()": {"bert"},
        "select mlguard.register('churn', '9')": {"anna", "bert"},
    }
    prepare(team["anna"], "select mlguard.register('churn', '3')")
    for act, allowed in acts.items():
        for name in ("anna", "bert", "dora"):
            with psycopg.connect(team[name]) as connection:
                try:
                    connection.execute(act.encode())
                    denied = False
                except psycopg.errors.InsufficientPrivilege:
                    denied = True
                except psycopg.errors.ObjectNotInPrerequisiteState:
                    denied = False
                connection.rollback()
            assert denied == (name not in allowed), (act, name)
    for name in ("anna", "bert", "dora"):
        assert len(query(team[name], "select * from mlguard.model_version")) == 3
        assert query(team[name], "select * from mlguard.model_usage") == []
        assert query(team[name], "select * from mlguard.prediction_batch") == []
        assert query(team[name], "select * from mlguard.model_metric") == []
        assert refused(team[name], "select * from mlguard._model_version").sqlstate == "42501"


REFUSALS = [
    ("promote('churn', '2')", "model churn version 2 is registered, and only an approved version can be champion"),
    ("promote('churn', '9')", "model churn has no version 9"),
    ("promote('chorn', '1')", "no version of a model chorn is registered"),
    ("promote('churn', '1')", "model churn version 1 is champion already"),
    ("challenge('churn', '1')", "model churn version 1 is the champion"),
    ("promote('churn', '1', p_as => 'king')", "a version is promoted to champion or to challenger"),
    ("approve('churn', '1')", "model churn version 1 is approved already, by bert"),
    ("retire('churn', '1', 'x')", "model churn version 1 is the champion"),
    ("retire('churn', '2', ' ')", "to retire a version needs a reason: it is what others read afterwards"),
    ("rollback('churn', null)", "to roll back a version needs a reason: it is what others read afterwards"),
    ("rollback('churn', 'x')", "no approved version of model churn was champion before version 1"),
    ("rollback('other', 'x')", "model other has no champion to roll back"),
    ("register('churn', '1')", "model churn version 1 is registered already, by anna"),
    ("register('churn', ' ')", "a version has a name, and so has its model"),
]


def test_refusals(team: People) -> None:
    team.approved("1")
    team.promote("1")
    prepare(team["anna"], "select mlguard.register('churn', '2'), mlguard.register('other', '1')")
    before = query(team.owner, "select * from mlguard.model_version order by 1, 2")
    for act, words in REFUSALS:
        assert refused(team["carl"], f"select mlguard.{act}").diag.message_primary == f"mlguard: {words}"
    assert query(team.owner, "select * from mlguard.model_version order by 1, 2") == before


def test_rollback_leads_back_and_never_forth(team: People) -> None:
    team.approved("1", "2", "3")
    for version in ("1", "2", "3"):
        team.promote(version)
    rollback = "select mlguard.rollback('churn', 'it decays')"
    assert query(team["bert"], rollback) == [("2",)]
    assert states(team) == {"1": "approved", "2": "champion", "3": "approved"}
    assert query(team["bert"], rollback) == [("1",)]  # not to 3, which was just taken out
    assert refused(team["bert"], rollback).sqlstate == "55000"
    team.promote("3")  # a person takes it back
    assert states(team)["3"] == "champion"
    assert query(team.owner, "select version from mlguard.model_version where previous") == [("1",)]
    assert query(team["bert"], rollback) == [("1",)]
    assert query(
        team.owner, "select before ->> 'champion', after ->> 'champion' from mlguard.event order by id desc limit 1"
    ) == [("3", "1")]


def test_rollback_passes_over_a_retired_version(team: People) -> None:
    team.approved("1", "2", "3")
    for version in ("1", "2", "3"):
        team.promote(version)
    prepare(team["bert"], "select mlguard.retire('churn', '2', 'biased')")
    assert query(team["bert"], "select mlguard.rollback('churn', 'slow')") == [("1",)]


def test_challengers_and_the_way_back_from_retirement(team: People) -> None:
    team.approved("1", "2", "3")
    team.promote("1")
    prepare(team["bert"], "select mlguard.challenge('churn', '2'), mlguard.promote('churn', '3', p_as => 'challenger')")
    assert states(team) == {"1": "champion", "2": "challenger", "3": "challenger"}
    team.promote("2")
    assert states(team) == {"1": "approved", "2": "champion", "3": "challenger"}
    prepare(team["bert"], "select mlguard.retire('churn', '3', 'worse')")
    prepare(team["carl"], "select mlguard.approve('churn', '3', 'by mistake')")
    assert query(team.owner, "select state, approver, retired_at from mlguard.model_version where version = '3'") == [
        ("approved", "carl", None)
    ]


def test_two_promotions_at_once(team: People) -> None:
    """The second waits for the first, and sees it: one champion, and each knows the one before."""
    team.approved("1", "2", "3")
    team.promote("1")
    done = threading.Event()

    def second() -> None:
        prepare(team["carl"], "select mlguard.promote('churn', '3')")
        done.set()

    with psycopg.connect(team["bert"]) as first:
        first.execute("select mlguard.promote('churn', '2')")
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.5)
        # Readers of other models and of this one do not wait.
        assert states(team)["1"] == "champion"
        first.commit()
    thread.join(10)
    assert done.is_set()
    assert states(team) == {"1": "approved", "2": "approved", "3": "champion"}
    assert query(team["bert"], "select mlguard.rollback('churn', 'x')") == [("2",)]


def test_two_authors_of_one_version(team: People) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def author(name: str) -> None:
        barrier.wait()
        try:
            prepare(team[name], "select mlguard.register('churn', '1')")
            outcomes.append(name)
        except psycopg.errors.DuplicateObject:
            outcomes.append("refused")

    threads = [threading.Thread(target=author, args=(name,)) for name in ("anna", "bert")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert outcomes.count("refused") == 1
    assert len(query(team.owner, "select author from mlguard.model_version")) == 1
