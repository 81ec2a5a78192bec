"""The pages under docs/: what they show is run on a real server, what they link to exists, nothing is left out."""

from __future__ import annotations

import contextlib
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from mlguard.compile import compile_table, declared_shape
from mlguard.compile.collect import ROW_SHORT_FORMS
from mlguard.compile.place import place_row_rule
from mlguard.errors import SpecError
from mlguard.lang import Scope, compile_row
from mlguard.lang.types import SqlType, parse_type
from mlguard.program import Action, Existing, OnUpdate, Place, Reads
from mlguard.spec import load_project
from mlguard.spec.columns import ColumnRules
from mlguard.spec.models import SloFile
from tests import servers
from tests.docs.transcripts import ROOT, Runner, blocks

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = ROOT / "README.md"
OTHERS = {"slo-file.md", "language.md", "cli.md", "performance.md"}  # have tests of their own
OWN = [page for page in PAGES if page.name not in OTHERS]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture
def runner(server18: servers.TestServer, tmp_path: Path) -> Iterator[Runner]:
    """Gives pages their databases and folders, and takes away the databases and the roles they made."""
    roles = "select rolname from pg_roles where rolname not like 'pg\\_%' and rolname not like 'mlguard\\_%'"
    with psycopg.connect(server18.server.dsn, autocommit=True) as admin, contextlib.ExitStack() as stack:
        before = {name for (name,) in admin.execute(roles.encode()).fetchall()}

        def give(make: Callable[[], contextlib.AbstractContextManager[str]]) -> Callable[[], str]:
            return lambda: stack.enter_context(make())

        folders = (tmp_path / str(number) for number in itertools.count())

        def made() -> Iterator[Path]:
            for folder in folders:
                folder.mkdir()
                yield folder

        yield Runner(give(server18.guarded_database), give(server18.database), made())
        stack.close()
        for (name,) in admin.execute(roles.encode()).fetchall():
            if name not in before:
                admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.name)
def test_what_a_page_shows_is_so(page: Path, runner: Runner) -> None:
    differences = runner.run(page)
    assert not differences, "\n\n".join(differences)


def test_every_block_that_can_be_run_is_run() -> None:
    unrun = [
        f"{page.name}:{block.line}"
        for page in OWN
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language in ("sql", "console", "python") and not block.order
    ]
    assert not unrun


def slo_files() -> Iterator[tuple[str, str]]:
    for page in (*PAGES, README):
        for block in blocks(page.read_text(encoding="utf-8")):
            is_file = re.match(r"(#.*\n)*mlguard: 1\ntable:", block.body)  # shared files have no table
            if block.language == "yaml" and is_file and block.order != "refused":
                yield f"{page.name}:{block.line}", block.body


SLO_FILES = list(slo_files())


@pytest.mark.parametrize(("place", "text"), SLO_FILES, ids=[place for place, _ in SLO_FILES])
def test_every_slo_file_is_valid(place: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "page.slo.yaml"
    path.write_text(text, encoding="utf-8")
    for name in re.findall(r"^include: \[(.*)\]", text, re.MULTILINE):
        (tmp_path / name).write_text("mlguard: 1\n", encoding="utf-8")
    load_project(path)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return [match[1] or match[2] for match in LINK.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            found = [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link]
            waiting += [target for target in found if target.suffix == ".md" and target.parent == DOCS]
    assert reached == set(PAGES)


def table(page: str, name: str) -> list[list[str]]:
    """Return the cells of the table that stands under the comment `<!-- table: name -->`."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"<!-- table: {name} -->\n\n")[2]
    rows = text.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


class Case(NamedTuple):
    """One combination of what place_row_rule is asked."""

    action: Action
    check: str
    pii: bool
    waivable: bool
    shadow: bool
    max_bad: bool
    portable: bool
    writes_rows: bool


# What the words of the first column of docs/placement.md mean.
CONDITIONS: dict[str, Callable[[Case], bool]] = {
    "`shadow: true`": lambda case: case.shadow,
    "`on_violation: warn`": lambda case: case.action is Action.WARN,
    "`on_violation: quarantine`": lambda case: case.action is Action.QUARANTINE,
    "`on_violation: repair`": lambda case: case.action is Action.REPAIR,
    "`max_bad`": lambda case: case.max_bad,
    "on a table with a `pii` column": lambda case: case.pii,
    "a lookup, `c IN (SELECT c FROM t)`": lambda case: "SELECT" in case.check,
    "not immutable": lambda case: case.check == UNSTABLE,
    "`portable: true`": lambda case: case.portable,
    "`waivable: true`": lambda case: case.waivable,
    "on a table with `writes: rows`": lambda case: case.writes_rows,
    "anything else": lambda case: True,
}
UNSTABLE = "plan::date > '2026-01-01'"
CHECKS = ("age > 0", "plan IN (SELECT plan FROM ref.plan)", UNSTABLE)


def type_(name: str) -> SqlType:
    found = parse_type(name)
    assert found is not None
    return found


def test_the_table_of_placement_is_what_place_row_rule_does() -> None:
    rows = table("placement.md", "place_row_rule")
    assert [words for words, _, _ in rows] == list(CONDITIONS)
    scope = Scope(columns={"age": type_("integer"), "plan": type_("text"), "d": type_("date")}, closed=True)
    exprs = {check: compile_row(check, scope) for check in CHECKS}
    said = set[str]()
    flags = itertools.product((False, True), repeat=6)
    actions = (Action.REJECT, Action.QUARANTINE, Action.REPAIR, Action.WARN)
    for action, check, options in itertools.product(actions, CHECKS, flags):
        case = Case(action, check, *options)
        words, place, reason = next(row for row in rows if CONDITIONS[row[0]](case))
        found = place_row_rule(
            action=action,
            expr=exprs[check],
            where=None,
            pii=case.pii,
            waivable=case.waivable,
            shadow=case.shadow,
            max_bad=case.max_bad,
            portable=case.portable,
            writes_rows=case.writes_rows,
        )
        assert found.place.value == place, (words, case)
        assert found.reason.endswith(reason.removeprefix("…")), (words, case)
        said.add(words)
    assert said == set(CONDITIONS)


def test_the_table_of_native_constraints() -> None:
    rows = {words.strip("`"): (place, unless) for words, place, unless in table("placement.md", "native")}
    ways = {
        "action": "on_violation: quarantine",
        "`where`": "where: age > 0",
        "`max_bad`": "max_bad: 5%",
        "`shadow`": "shadow: true",
        "`waivable`": "waivable: true",
        "`nulls: fail`": "nulls: fail",
    }
    values = {"required": "true", "unique": "true", "references": "ref.plan.plan"}
    native = {place.value for place in (Place.NOT_NULL, Place.UNIQUE, Place.FOREIGN_KEY)}
    for form, (place, unless) in rows.items():
        assert placed(form, values[form]) == place
        for words, said in ways.items():
            if words == "`nulls: fail`" and form != "references":
                continue  # NULL is what `required` is about, and UNIQUE has words of its own for it
            if form == "unique":
                with pytest.raises(SpecError):
                    placed(form, values[form], said)
            else:
                assert words in unless
                assert placed(form, values[form], said) not in native
        if form != "unique":
            assert "`pii` column" in unless
            assert placed(form, values[form], other="  email: {type: text, pii: true}\n") not in native
    assert "`existing: allow`" in rows["required"][1]
    assert placed("required", "true", other="existing: allow\n") == Place.CHECK.value


def placed(form: str, value: str, said: str = "", other: str = "") -> str:
    """Return where a short form of column plan comes to live."""
    written = f"{{value: {value}, {said}}}" if said else value
    columns = f"  plan: {{type: text, {form}: {written}}}\n  age: {{type: integer}}\n{other}"
    (file,) = load_text(f"mlguard: 1\ntable: f.c\ncolumns:\n{columns}")
    (rule,) = compile_table(file, declared_shape(file)).rules
    return rule.placement.place.value


def load_text(text: str) -> tuple[SloFile, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.slo.yaml"
        path.write_text(text, encoding="utf-8")
        return load_project(path).files


def page_text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


FORM = (
    "What it says",
    "YAML",
    "What is made in the database",
    "What writer and reader see",
    "NULL, NaN",
    "Cost",
    "What it cannot do",
    "How to switch it off",
)


@pytest.mark.parametrize("page", sorted(DOCS.glob("kind-*.md")), ids=lambda page: page.name)
def test_pages_of_kinds_have_one_form(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == len(FORM)
    for heading, wanted in zip(headings, FORM, strict=True):
        plural = wanted.replace("it says", "they say").replace("it cannot", "they cannot")
        assert heading.startswith((wanted, plural))


@pytest.mark.parametrize("form", sorted(ROW_SHORT_FORMS))
def test_every_short_form_has_a_page(form: str) -> None:
    titles = [page.read_text(encoding="utf-8").partition("\n")[0] for page in DOCS.glob("kind-*.md")]
    assert any(form in re.findall(r"\w+", title) for title in titles)


def test_every_action_and_word_has_its_part() -> None:
    headings = re.findall(r"^## (.+)$", page_text("actions.md"), re.MULTILINE)
    wanted = {action.value for action in Action if action is not Action.HOLD} | {"shadow", "max_bad"}
    assert wanted <= set(headings)
    assert "`hold`" in page_text("actions.md")
    assert set(OnUpdate.__members__) == {word.upper() for word in ("reject", "keep", "remove")}
    assert all(f"| `{choice.value}`" in page_text("actions.md") for choice in OnUpdate)
    assert all(f"| `{choice.value}`" in page_text("operations.md") for choice in Existing)
    assert all(f"| `{choice.value}`" in page_text("gate.md") for choice in Reads)


def test_everything_that_is_refused_so_far_is_in_limits() -> None:
    columns = {info.alias or name for name, info in ColumnRules.model_fields.items()} - ROW_SHORT_FORMS
    text = page_text("limits.md")
    for name in columns - {"description", "pii"}:
        assert re.search(rf"\b{name}\b", text), f"docs/limits.md says nothing of {name}"


CAUGHT = {"unique_violation", "triggered_action_exception"}  # raised and caught by release(): nobody sees them


def test_every_sqlstate_is_in_errors() -> None:
    text = page_text("errors.md")
    for path in (ROOT / "sql" / "runtime").glob("*.up.sql"):
        for word in re.findall(r"errcode = '(\w+)'|_raise\(\s*'(\w+)'", path.read_text(encoding="utf-8")):
            state = word[0] or word[1]
            assert state in CAUGHT or state in text, f"docs/errors.md says nothing of {state} ({path.name})"


def test_the_glossary_has_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+?) \|", page_text("glossary.md"), re.MULTILINE)[2:]
    assert words == sorted(set(words), key=str.lower)
