"""Pages of documentation as programs: what a fenced block shows is run, and what it printed is compared.

A page runs from top to bottom on one database, in one folder. The line above a fence says what happens to its block:

`<!-- run -->`          console: `=> ` SQL through psql (`-> ` goes on, `>> ` is COPY data), `$ ` shell; the lines
                        below are what was printed. sql: must succeed. python: must succeed; a text block that
                        follows under `<!-- printed -->` is what it printed
`<!-- run full -->`     the same, psql printing DETAIL and HINT too
`<!-- file: NAME -->`   the block is written to that file of the folder
`<!-- apply: NAME -->`  the block is written to slos/NAME, and the folder is applied
`<!-- refused -->`      yaml: an SLO file that apply refuses; a text block that follows under `<!-- printed -->` is why

Comments of their own: `<!-- setup` SQL `-->`, `<!-- fresh -->` (a new database and folder from here on),
`<!-- empty -->` (the same, without the runtime).
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from mlguard import api
from mlguard.embedded import wheel_binaries
from mlguard.errors import MlguardError

ROOT = Path(__file__).parents[2]
REWRITE = os.environ.get("MLGUARD_DOCS") == "write"  # put what was printed into the pages instead of comparing
END = "-- end of answer --"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (?P<word>[a-z]+)(?P<rest>.*?)-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, or one comment that is a command of its own."""

    language: str
    body: str
    order: str  # the words of the comment above it: 'run', 'apply: customer.slo.yaml', …
    start: int  # where the body stands in the page
    end: int
    line: int


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page in order."""
    fences = list(_FENCE.finditer(text))
    found: list[Block] = []
    above: dict[int, str] = {}
    for comment in _COMMENT.finditer(text):
        if any(fence.start() < comment.start() < fence.end() for fence in fences):
            continue
        word = (comment["word"] + comment["rest"]).strip()
        after = re.match(r"\s*", text[comment.end() :])
        nearest = comment.end() + (after.end() if after else 0)
        fence = next((f for f in fences if f.start("indent") <= nearest <= f.end("indent") + 3), None)
        if comment["word"] in ("setup", "fresh", "empty"):
            line = text.count("\n", 0, comment.start()) + 1
            found.append(Block("comment", comment["rest"], comment["word"], comment.start(), comment.end(), line))
        elif fence is not None:
            above[fence.start()] = word
    for fence in fences:
        line = text.count("\n", 0, fence.start()) + 1
        order = above.get(fence.start(), "")
        found.append(Block(fence["language"], fence["body"], order, fence.start("body"), fence.end("body"), line))
    return sorted(found, key=lambda block: block.start)


_TIMES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d(:?\d\d)?| UTC)?"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\b\d+ (h|min|d|s)( \d+ (h|min|s))? old"), "<age> old"),
    (re.compile(r"\bbatch \d+\b"), "batch <n>"),
    (re.compile(r'("batch": )\d+'), r"\1<n>"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s)\b"), "<seconds>"),
    (re.compile(r"\b[0-9a-f]{12,}(?=\b|_)"), "<hash>"),
    (re.compile(r"[-─]{3,}"), "---"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" +$", re.MULTILINE), ""),
)


def normal(text: str) -> str:
    """Return printed text without what differs from run to run."""
    for pattern, instead in _TIMES:
        text = pattern.sub(instead, text)
    return text.strip()


class Runner:
    """Runs the blocks of one page."""

    def __init__(self, guarded: Callable[[], str], empty: Callable[[], str], folders: Iterator[Path]) -> None:
        """Take where databases (with the runtime and without) and folders come from."""
        self._guarded, self._empty, self._folders = guarded, empty, folders
        self._dsn = ""
        self._folder = Path()
        self._printed = ""
        self._full = False

    def run(self, page: Path) -> list[str]:
        """Run a page; return the differences, or in rewriting mode mend the page."""
        text = page.read_text(encoding="utf-8")
        differences: list[str] = []
        edits: list[tuple[int, int, str]] = []
        self._fresh(self._guarded)
        for block in blocks(text):
            try:
                new = self._block(block)
            except Exception as error:  # noqa: BLE001 - whatever a page's block ends in is told with its place
                differences.append(f"{page.name}:{block.line}: {type(error).__name__}: {error}")
                continue
            if new is not None and normal(new) != normal(block.body):
                differences.append(f"{page.name}:{block.line}: the page says\n{block.body}\nbut it is\n{new}")
                edits.append((block.start, block.end, new))
        if REWRITE and edits:
            for start, end, new in reversed(edits):
                text = text[:start] + new + text[end:]
            page.write_text(text, encoding="utf-8")
            return [item for item in differences if "the page says" not in item]
        return differences

    def _fresh(self, database: Callable[[], str]) -> None:
        self._dsn = database()
        self._folder = next(self._folders)
        (self._folder / "slos").mkdir()

    def _block(self, block: Block) -> str | None:
        """Run a block; return what it should say, None where that is not compared."""
        order, _, name = block.order.partition(": ")
        self._full = order == "run full"
        match block.language, order:
            case "comment", "setup":
                self._execute(block.body)
            case "comment", "fresh":
                self._fresh(self._guarded)
            case "comment", "empty":
                self._fresh(self._empty)
            case _, "file":
                self._write(name, block.body)
            case _, "apply":
                self._write(f"slos/{name}", block.body)
                api.apply(api.load(self._folder / "slos"), self._dsn)
            case _, "refused":
                self._printed = self._refusal(block.body)
            case "console", "run" | "run full":
                return self._console(block.body)
            case "sql", "run" | "run full":
                self._execute(block.body)
            case "python", "run" | "run full":
                self._printed = self._python(block.body)
            case _, "printed":
                return self._printed
        return None

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(sql.encode())

    def _refusal(self, text: str) -> str:
        folder = next(self._folders)
        path = folder / "slos" / "refused.slo.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        before = Path.cwd()
        os.chdir(folder)
        try:
            api.plan(api.load("slos"), self._dsn)
        except MlguardError as error:
            return f"{error}\n"
        finally:
            os.chdir(before)
        raise AssertionError("nothing refuses this file")

    def _python(self, source: str) -> str:
        printed = io.StringIO()
        before = dict(os.environ), Path.cwd()
        os.environ["MLGUARD_DSN"] = self._dsn
        os.chdir(self._folder)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(source, "docs", "exec"), {"__name__": "docs"})
        finally:
            os.chdir(before[1])
            os.environ.clear()
            os.environ.update(before[0])
        return printed.getvalue()

    def _console(self, body: str) -> str:
        """Run the commands of a block in order; neighbouring SQL shares one psql session."""
        answers: list[str] = []
        for kind, group in itertools.groupby(_commands(body), key=lambda command: command[0]):
            commands = [lines for _, lines in group]
            texts = ["\n".join(line[len(kind) + 1 :] for line in lines) for lines in commands]
            replies = self._psql(texts) if kind == "=>" else [self._shell(text) for text in texts]
            for lines, reply in zip(commands, replies, strict=True):
                answers += [*(f"{line}\n" for line in lines), reply]
        return "".join(answers)

    def _shell(self, command: str) -> str:
        prelude = 'mlguard() { "$MLGUARD_PYTHON" -m mlguard "$@"; }\n'
        done = subprocess.run(
            ["bash", "-c", prelude + command],
            cwd=self._folder,
            env={
                **os.environ,
                "MLGUARD_DSN": self._dsn,
                "MLGUARD_PYTHON": sys.executable,
                "PYTHONPATH": str(ROOT),
                # A page's `python` is the one that has mlguard, as in a reader's own environment.
                "PATH": os.pathsep.join(
                    [str(Path(sys.executable).parent), str(wheel_binaries(18)), os.environ["PATH"]]
                ),
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    def _psql(self, statements: list[str]) -> list[str]:
        """Send statements through one psql session; return what each printed."""
        settings = "\\set SHOW_CONTEXT never\n" + ("" if self._full else "\\set VERBOSITY terse\n")
        script = settings + "".join(f"{statement}\n\\echo {END}\n\\warn {END}\n" for statement in statements)
        done = subprocess.run(
            [wheel_binaries(18) / "psql", "--no-psqlrc", "--dbname", self._dsn],
            input=script,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        out, err = (part.split(f"{END}\n") for part in (done.stdout, done.stderr))
        assert len(out) == len(err) == len(statements) + 1, done.stdout + done.stderr
        # PostgreSQL sends WARNINGs before the result.
        replies = [words + rows for words, rows in zip(err, out, strict=True)][:-1]
        return [reply.rstrip("\n") + "\n" if reply.strip() else "" for reply in replies]


def _commands(body: str) -> list[tuple[str, list[str]]]:
    """Return (`$` or `=>`, its lines) for each command of a console block; what it printed is left out."""
    found: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(("$", [line]))
        elif line.startswith("=> "):
            found.append(("=>", [line]))
        elif found and line.startswith(("-> ", ">> ")):
            found[-1][1].append(line)
    return found
