"""The pages under docs/: what they show is run on a real server, what they link to exists, nothing is left out."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests import servers
from tests.docs.transcripts import ROOT, Runner

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = ROOT / "README.md"
OTHERS = {"slo-file.md", "language.md", "cli.md", "performance.md"}  # have tests of their own
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


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OTHERS], ids=lambda page: page.name)
def test_what_a_page_shows_is_so(page: Path, runner: Runner) -> None:
    differences = runner.run(page)
    assert not differences, "\n\n".join(differences)
