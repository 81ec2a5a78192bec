"""Folders of SLO files: what is found, shared, selected, and refused together."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.errors import SpecError
from mlguard.names import TableName
from mlguard.spec import load_project

HEAD = "mlguard: 1\ntable: features.{}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slos" / "deep").mkdir(parents=True)
    write("slos/customer.slo.yaml", HEAD.format("customer") + "tags: [nightly]\ncolumns:\n  age: {range: [0, 130]}\n")
    write(
        "slos/deep/order.slo.yaml",
        HEAD.format("order") + "owner: shop\nslos:\n  - {name: paid, check: paid, tags: money}\n",
    )
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def refused(*select: str, slos: str = "slos") -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_project(Path(slos), select=select)
    return caught.value


@pytest.mark.usefixtures("folder")
class TestFiles:
    def test_all_files_in_order(self) -> None:
        project = load_project()
        assert [str(file.table) for file in project.files] == ["features.customer", "features.order"]
        assert [file.path for file in project.files] == ["slos/customer.slo.yaml", "slos/deep/order.slo.yaml"]
        order = project.file(TableName("features", "order"))
        assert order is not None
        assert order.owner == "shop"
        assert project.file(TableName("features", "nothing")) is None

    def test_one_file(self) -> None:
        assert len(load_project(Path("slos/customer.slo.yaml")).files) == 1

    def test_faults_of_all_files_at_once_sorted(self) -> None:
        write("slos/a.slo.yaml", HEAD.format("a") + "zzz: 1\nonwer: x\n")
        write("slos/b.slo.yaml", HEAD.format("b") + "reads: x: y\n")
        error = refused()
        assert error.message == "3 problems in 2 files"
        assert [f"{problem.where}" for problem in error.problems] == [
            "slos/a.slo.yaml:3:1",
            "slos/a.slo.yaml:4:1",
            "slos/b.slo.yaml:3:8",
        ]

    def test_two_files_of_one_table(self) -> None:
        write("slos/z.slo.yaml", HEAD.format("customer") + "onwer: x\n")
        assert "a second file for features.customer; the first is slos/customer.slo.yaml" in str(refused())

    def test_no_folder_no_files_wrong_names(self) -> None:
        assert "no folder or file nowhere" in str(refused(slos="nowhere"))
        Path("empty").mkdir()
        assert "no SLO files in empty" in str(refused(slos="empty"))
        write("empty/customer.yml", "a: b")
        assert "rename empty/customer.yml to customer.slo.yaml" in str(refused(slos="empty"))

    def test_file_over_the_limit(self) -> None:
        write("slos/big.slo.yaml", HEAD.format("big") + "#" * (1 << 20))
        assert "over 1 MiB" in str(refused())

    def test_a_folder_with_the_name_of_a_file(self) -> None:
        Path("slos/x.slo.yaml").mkdir()
        assert "cannot read the file: Is a directory" in str(refused())


@pytest.mark.usefixtures("folder")
class TestShared:
    def test_nearer_wins(self) -> None:
        write("slos/far.yaml", "columns: {age: {range: [0, 9], finite: true}}\ndefaults: {owner: far, runbook: far}\n")
        write(
            "slos/near.yaml",
            "include: far.yaml\ncolumns: {age: {range: [0, 8]}, id: {required: true}}\ndefaults: {owner: near}\n",
        )
        write("mlguard.yaml", "mlguard: 1\ndefaults: {owner: all, runbook: all, late: 2 hours}\n")
        write(
            "slos/customer.slo.yaml",
            HEAD.format("customer") + "include: [near.yaml]\ncolumns: {age: {type: integer}}\n",
        )
        file = load_project().files[0]
        age = file.columns["age"]
        assert (age.type, str(age.range.between[1]) if age.range else "", age.finite is not None) == (
            "integer",
            "8",
            True,
        )
        assert file.columns["id"].required is not None
        assert (file.owner, file.runbook, file.late.text) == ("near", "far", "2 hours")
        assert file.was_set("owner")
        assert file.where(("columns", "age", "range")).file == "slos/near.yaml"
        assert file.where(("runbook",)).file == "slos/far.yaml"
        assert file.where(("late",)).file == "mlguard.yaml"

    def test_later_include_wins_and_groups_come_first(self) -> None:
        write("slos/a.yaml", "groups: [{columns: a_*, finite: true}]\ndefaults: {owner: a}\n")
        write("slos/b.yaml", "groups: [{columns: b_*, finite: true}]\ndefaults: {owner: b}\n")
        text = HEAD.format("customer") + "include: [a.yaml, b.yaml]\ngroups: [{columns: c_*, finite: true}]\n"
        write("slos/customer.slo.yaml", text)
        file = load_project().files[0]
        assert file.owner == "b"
        assert [group.columns for group in file.groups] == [("a_*",), ("b_*",), ("c_*",)]
        assert file.where(("groups", 1, "finite")).file == "slos/b.yaml"

    def test_a_fault_in_a_shared_file_is_said_once(self) -> None:
        write("slos/near.yaml", "columns: {age: {rang: [0, 9]}}\n")
        for name in ("customer", "other"):
            write(f"slos/{name}.slo.yaml", HEAD.format(name) + "include: near.yaml\n")
        assert [str(problem.where) for problem in refused().problems] == ["slos/near.yaml:1:17"]


@pytest.mark.usefixtures("folder")
class TestSelection:
    @pytest.mark.parametrize(
        ("select", "tables"),
        [
            (["table:features.order"], ["order"]),
            (["table:features.*"], ["customer", "order"]),
            (["tag:nightly"], ["customer"]),
            (["tag:money"], ["order"]),
            (["slo:age.range"], ["customer"]),
            (["slo:features.order/paid"], ["order"]),
            (["tag:nightly,slo:paid"], ["customer", "order"]),
            (["tag:nightly", " slo:paid "], ["customer", "order"]),
        ],
    )
    def test_selected(self, select: list[str], tables: list[str]) -> None:
        assert [file.table.name for file in load_project(select=select).files] == tables

    def test_single_slos(self) -> None:
        selection = load_project(select=["slo:age.range"]).selection
        assert selection.covers("features.customer", "age.range")
        assert not selection.covers("features.customer", "age.required")
        assert load_project().selection.covers("features.customer", "anything")

    def test_what_fits_nothing_is_an_error(self) -> None:
        assert 'did you mean "table:features.order"' in str(refused("table:features.ordr"))
        assert 'did you mean "table"' in str(refused("tabel:x"))
        assert "what is selected" in str(refused("nightly"))

    def test_groups_are_selected_by_rule(self) -> None:
        write("slos/g.slo.yaml", HEAD.format("g") + "groups: [{columns: f_*, finite: {value: true, tags: g}}]\n")
        assert [file.table.name for file in load_project(select=["slo:f_1.finite"]).files] == ["g"]
        assert [file.table.name for file in load_project(select=["tag:g"]).files] == ["g"]

    def test_what_a_file_learns_is_selected_by_rule(self) -> None:
        write("slos/u.slo.yaml", HEAD.format("u") + "usual: {metrics: all, tags: learned}\n")
        for word in ("slo:rows.usual", "slo:anything.usual", "slo:features.u/age.usual", "tag:learned"):
            assert [file.table.name for file in load_project(select=[word]).files] == ["u"], word
