"""Alerts that `mlguard watch` sends to people: webhooks and mail on this machine, what does not arrive, quiet hours."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from mlguard.cli import cli
from tests.incidents_example import AGE, AGE_MEAN, CUSTOMER, PLAN, judge, make, sweep
from tests.runtime_example import rows, session

Connection = psycopg.Connection[Any]
Run = Callable[..., Result]


class Hook:
    """A web server that keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.got: list[tuple[str, dict[str, Any], str | None]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got.append((self.path, body, self.headers.get("Authorization")))
                self.send_response(hook.answers.get(self.path, 200))
                self.send_header("Location", "/ok")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.at = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.got]


@pytest.fixture
def db(pg_any: str) -> str:
    """Delivery is the client's: one server shows it."""
    return pg_any


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def connection(db: str) -> Iterator[Connection]:
    make(db)
    with session(db) as opened:
        yield opened


@pytest.fixture
def run(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MLGUARD_DSN", db)
    monkeypatch.chdir(tmp_path)

    def invoke(settings: str, *options: str, code: int = 0) -> Result:
        Path("mlguard.yaml").write_text(f"mlguard: 1\n{settings}\n", encoding="utf-8")
        done = CliRunner().invoke(cli, ["watch", "--once", *options])
        assert done.exit_code == code, done.output
        return done

    return invoke


def waiting(connection: Connection) -> list[Any]:
    return rows(connection, "select event, severity from mlguard.outbox where delivered_at is null order by id")


def again(connection: Connection) -> None:
    """Let what is claimed, or failed, come again at once."""
    connection.execute("update mlguard._outbox set next_try = now() - interval '1 s' where delivered_at is null")


def test_owner_and_consumers_are_told_at_their_addresses(connection: Connection, run: Run, hook: Hook) -> None:
    alarm = judge(connection, AGE, batch=88123, found=0.491)
    judge(connection, PLAN, batch=88123, found=0.31)
    done = run(
        f"people: {{platform-ml: ['http://{hook.at}/team', 'json://{hook.at}/json'],"
        f" churn: 'http://{hook.at}/team', somebody-else: 'http://{hook.at}/else'}}"
    )
    assert done.stdout.count("opened") == 1
    assert sorted(hook.paths()) == ["/json", "/team"]  # once, though two of its people name it
    _, body, _ = hook.got[0]
    headline = f"{CUSTOMER}: coverage(age) is 0.491, allowed >= 0.75 (age_coverage, batch 88123)"
    assert body["title"] == f"PAGE opened #{alarm} {headline}"
    assert body["text"].startswith(f"PAGE opened #{alarm} {headline}\n{headline}\nsince ")
    assert body["message"].endswith("owner platform-ml · runbook https://run.book/coverage")
    assert (body["event"], body["alarm"], body["type"]) == ("opened", alarm, "failure")
    assert body["payload"]["slo"] == AGE
    assert waiting(connection) == []
    connection.execute("select mlguard.resolve(%s, 'mended')", [alarm])
    run(f"people: {{platform-ml: 'http://{hook.at}/team'}}")
    assert hook.got[-1][1]["type"] == "success"
    assert hook.got[-1][1]["message"].startswith("by postgres: mended\n")


def test_a_password_goes_along_as_basic_authentication(
    connection: Connection, run: Run, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "jo:se%40cret")
    judge(connection, AGE, batch=1)
    run(f"people: {{platform-ml: 'json://${{HOOK}}@{hook.at}/json'}}")
    assert hook.got[0][2] == "Basic am86c2VAY3JldA=="


def test_what_did_not_arrive_comes_again_and_only_there(connection: Connection, run: Run, hook: Hook) -> None:
    judge(connection, AGE, batch=1)
    people = f"people: {{platform-ml: ['http://{hook.at}/ok', 'http://{hook.at}/T0K/secret']}}"
    for answer, words in ((503, "it answered 503 Service Unavailable"), (302, "it answered 302 Found")):
        hook.answers["/T0K/secret"] = answer
        done = run(people, code=3)
        assert f"was not delivered: http://127.0.0.1: {words}; again 20" in done.stderr
        assert "secret" not in done.output
        ((said,),) = rows(connection, "select last_error from mlguard.outbox")
        assert said == f"http://127.0.0.1: {words}"
        assert waiting(connection) == [("opened", "page")]
        assert run(people).stdout == ""  # not before its time
        again(connection)
    assert rows(connection, "select attempts from mlguard.outbox") == [(2,)]
    hook.answers.clear()
    run(people)
    assert waiting(connection) == []
    assert rows(connection, "select last_error from mlguard.outbox") == [(None,)]


def test_one_process_sends_again_only_where_it_did_not_arrive(connection: Connection, db: str, hook: Hook) -> None:
    from mlguard.connect import session as opened
    from mlguard.operate.notify import Delivery
    from mlguard.operate.watch import Watch

    judge(connection, AGE, batch=1)
    shown: list[int] = []
    people = {"churn": (f"http://{hook.at}/ok", f"http://{hook.at}/broken")}
    delivery = Delivery(lambda change: shown.append(change.id), people)
    watch = Watch(lambda: opened(db), delivery, lambda _: None, threading.Event(), people=("churn",))
    hook.answers["/broken"] = 500
    watch.once()
    again(connection)
    hook.answers.clear()
    watch.once()
    assert hook.paths() == ["/ok", "/broken", "/broken"]
    assert len(shown) == 1
    assert watch.undelivered == 1
    assert waiting(connection) == []


def test_an_address_that_does_not_answer(connection: Connection, run: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    judge(connection, AGE, batch=1)
    done = run(f"people: {{platform-ml: 'https://127.0.0.1:{port}/hook'}}", code=3)
    assert "was not delivered: https://127.0.0.1: Connection refused; again 20" in done.stderr


def test_a_variable_that_is_not_set_ends_it_before_anything_is_claimed(connection: Connection, run: Run) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    people = "people: {platform-ml: 'slack://${SLACK_TOKENS_OF_NOBODY}'}"
    said = run(people, code=2).stderr
    assert "mlguard.yaml:2:" in said
    assert "the environment variable SLACK_TOKENS_OF_NOBODY is not set" in said
    assert rows(connection, "select attempts from mlguard.outbox") == [(0,)]
    assert run(people, "--sweep-only").stdout == ""


# Apprise imports imghdr for one of its services.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_what_only_apprise_reaches(connection: Connection, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(connection, AGE, batch=1)
    settings = "people: {platform-ml: 'noservice://team'}"
    assert "noservice://…: this is no address that Apprise knows" in run(settings, code=3).stderr
    again(connection)
    monkeypatch.setattr("mlguard.operate.notify.find_spec", lambda _: None)
    said = run(settings, code=3).stderr
    assert "noservice://…: Apprise sends there (pip install 'mlguard-db[notify]')" in said


def mail_server(got: list[tuple[str, str, str]], listener: socket.socket) -> None:
    """Take one mail, as a server without any extension does."""
    peer, _ = listener.accept()
    with peer, peer.makefile("rw", newline="\r\n", encoding="utf-8") as lines:

        def say(words: str) -> None:
            lines.write(words + "\r\n")
            lines.flush()

        say("220 here")
        sender = to = ""
        for line in lines:
            word = line.strip().upper()
            if word.startswith("DATA"):
                say("354 go on")
                text = []
                for part in lines:
                    if part.strip() == ".":
                        break
                    text.append(part.rstrip("\r\n"))
                got.append((sender, to, "\n".join(text)))
            sender = line.strip() if word.startswith("MAIL") else sender
            to = line.strip() if word.startswith("RCPT") else to
            say("221 bye" if word.startswith("QUIT") else "250 ok")
            if word.startswith("QUIT"):
                return


def test_mail(connection: Connection, run: Run) -> None:
    got: list[tuple[str, str, str]] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = threading.Thread(target=mail_server, args=(got, listener), daemon=True)
        server.start()
        port = listener.getsockname()[1]
        alarm = judge(connection, AGE, batch=88123, found=0.491)
        run(f"people: {{platform-ml: 'mailto://mlguard@example.com:{port}?smtp=127.0.0.1&to=team@example.com'}}")
        server.join(10)
    ((sender, to, text),) = got
    assert sender.startswith("mail FROM:<mlguard@example.com>")
    assert to.startswith("rcpt TO:<team@example.com>")
    mail = message_from_string(text)
    subject = str(mail["Subject"]).replace("\n", "")
    assert subject.startswith(f"PAGE opened #{alarm} {CUSTOMER}: coverage(age) is 0.491")
    assert "guarded reads" not in text
    assert "owner platform-ml" in text


def hours(start: timedelta, end: timedelta) -> str:
    """Return quiet hours around now."""
    now = datetime.now(UTC)
    return f"quiet_hours: '{now + start:%H:%M} to {now + end:%H:%M} UTC'"


def test_in_quiet_hours_only_pages_go_out(connection: Connection, run: Run, hook: Hook) -> None:
    people = f"people: {{platform-ml: 'http://{hook.at}/team'}}"
    night, day = (
        f"{people}\n{hours(timedelta(hours=since), timedelta(hours=until))}" for since, until in ((-2, 2), (2, 4))
    )
    judge(connection, AGE_MEAN, day="2026-01-01", found=12)
    assert run(night).stdout == ""
    assert waiting(connection) == [("opened", "normal")]
    assert rows(connection, "select attempts from mlguard.outbox") == [(0,)]
    judge(connection, AGE, batch=1)
    assert "PAGE    opened" in run(night).stdout
    assert [body["severity"] for _, body, _ in hook.got] == ["page"]
    assert waiting(connection) == [("opened", "normal")]
    assert "normal  opened" in run(day).stdout
    assert waiting(connection) == []


def test_what_becomes_a_page_in_quiet_hours_is_told_from_its_beginning(connection: Connection) -> None:
    """In order within an alarm: the page would otherwise wait behind a line that waits for the morning."""
    judge(connection, AGE_MEAN, day="2026-01-01", found=12)
    sweep(connection)
    claim = "select event, severity from mlguard.claim_pages(10, interval '1 minute')"
    assert rows(connection, claim) == []
    connection.execute("update mlguard._incident set severity = 'page'")
    connection.execute("select mlguard._tell_incidents()")
    assert rows(connection, claim) == [("opened", "normal")]
    connection.execute("update mlguard._outbox set delivered_at = now() where severity = 'normal'")
    assert rows(connection, claim) == [("escalated", "page")]
