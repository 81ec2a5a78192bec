"""Alerts to people: the addresses behind the names on a line of the outbox, and how each kind of address is reached.

http, https      a POST of the change as JSON; chat tools read its `text`, Apprise's receivers `title` and `message`
json, jsons      the same, as Apprise spells it
slack            an incoming webhook of Slack: slack://A/B/C
mailto, mailtos  mail: mailto://team@example.com, mailtos://user:password@smtp.example.com?to=team@example.com
anything else    Apprise, where it is installed

No address is ever shown as it is written: tokens and passwords are a part of it.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from email.message import EmailMessage
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from mlguard.errors import MlguardError
from mlguard.report.incidents_text import letter

if TYPE_CHECKING:
    from mlguard.operate.watch import Change

PATIENCE = 10.0  # seconds for one address; a line stays claimed for a minute
WEB = {"http": "http", "https": "https", "json": "http", "jsons": "https"}
SLACK = "https://hooks.slack.com/services/"
_SLACK_TOKENS = re.compile(r"(?:[^@/]*@)?([A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+)/?\Z")
KINDS = {"page": "failure", "normal": "warning", "low": "info"}  # Apprise's words for how bad it is


class NotDelivered(MlguardError):
    """An alert did not reach somebody; the message names no address in full."""


@dataclass
class Delivery:
    """Hands one change on: shows it, and sends it to the addresses of those it is for.

    Attributes:
        show: shows a change, once.
        people: name to addresses.
    """

    show: Callable[[Change], None]
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _reached: dict[int, set[str]] = field(default_factory=dict)  # of lines that come again

    def __call__(self, change: Change) -> None:
        """Deliver a change; one that failed before goes only where it did not arrive.

        Raises:
            NotDelivered: somebody was not reached.
        """
        if change.id not in self._reached:
            self.show(change)
        reached = self._reached.setdefault(change.id, set())
        faults = []
        for address in self._addresses(change.recipients):
            if address in reached:
                continue
            try:
                send(address, change)
            except NotDelivered as error:
                faults.append(error.message)
            else:
                reached.add(address)
        if faults:
            raise NotDelivered("; ".join(faults))
        del self._reached[change.id]

    def _addresses(self, names: Iterable[str]) -> list[str]:
        """Return the addresses of some names, each once: an owner may be a consumer too."""
        return list(dict.fromkeys(address for name in names for address in self.people.get(name, ())))


def send(address: str, change: Change) -> None:
    """Send a change to one address.

    Raises:
        NotDelivered: it did not arrive there, or nobody knows how to send there.
    """
    url = _split(address)
    try:
        if url.scheme in WEB:
            _post(url, change)
        elif url.scheme == "slack" and (tokens := _SLACK_TOKENS.match(url.netloc + url.path)):
            _post(urlsplit(SLACK + tokens[1]), change)
        elif url.scheme in ("mailto", "mailtos"):
            _mail(url, change)
        else:
            _by_apprise(address, change)
    except (OSError, smtplib.SMTPException, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(f"{shown(address)}: {_why(error)}") from None


def shown(address: str) -> str:
    """Return an address without what may be secret: its kind, and where that is no token its host."""
    url = _split(address)
    host = url.hostname if url.scheme in WEB or url.scheme in ("mailto", "mailtos") else None
    return f"{url.scheme}://{host or '…'}"


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise NotDelivered(f"{address.partition(':')[0]}://…: this is no address") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What a redirect leads to would be asked without the alert, and its answer taken for success."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: SplitResult, change: Change) -> None:
    title, text = letter(change)
    body = {
        "title": title,
        "text": f"{title}\n{text}",
        "message": text,
        "type": "success" if change.event == "resolved" else KINDS.get(change.severity, "info"),
        **asdict(change),
    }
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "mlguard"}
    where, user = _without_user(url)
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - only http and https come here
        urlunsplit(where), json.dumps(body, ensure_ascii=False, default=datetime.isoformat).encode(), headers
    )
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=PATIENCE):
        pass


def _without_user(url: SplitResult) -> tuple[SplitResult, str]:
    user, _, host = url.netloc.rpartition("@")
    return url._replace(scheme=WEB[url.scheme], netloc=host), unquote(user)


def _mail(url: SplitResult, change: Change) -> None:
    if not url.hostname:
        raise NotDelivered(f"{url.scheme}://…: a mail address has a host: mailto://team@example.com")
    given = {name: values[-1] for name, values in parse_qs(url.query).items()}
    user, password = unquote(url.username or ""), unquote(url.password or "")
    own = user if "@" in user else f"{user or 'mlguard'}@{url.hostname}"
    title, text = letter(change)
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = title, given.get("from", own), given.get("to", own)
    mail.set_content(text)
    secure = url.scheme == "mailtos"
    server, port = given.get("smtp", url.hostname), url.port or (587 if secure else 25)
    with smtplib.SMTP(server, port, timeout=PATIENCE) as session:
        if secure:
            session.starttls(context=ssl.create_default_context())
        if password:
            session.login(user, password)
        session.send_message(mail)


def _by_apprise(address: str, change: Change) -> None:
    if find_spec("apprise") is None:
        raise NotDelivered(f"{shown(address)}: Apprise sends there (pip install 'mlguard-db[notify]')")
    apprise = import_module("apprise")
    title, text = letter(change)
    sender = apprise.Apprise()
    if not sender.add(address):
        raise NotDelivered(f"{shown(address)}: this is no address that Apprise knows")
    kind = "success" if change.event == "resolved" else KINDS.get(change.severity, "info")
    if not sender.notify(body=text, title=title, notify_type=kind):
        raise NotDelivered(f"{shown(address)}: Apprise could not deliver it")


def _why(error: Exception) -> str:
    """Return why sending failed, without the address that libraries like to repeat."""
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code} {error.reason}".rstrip()
    if isinstance(error, urllib.error.URLError):
        return _why(error.reason) if isinstance(error.reason, Exception) else "it could not be reached"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server takes no mail for it"
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
