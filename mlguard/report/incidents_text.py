"""Incidents and alerts as text: for somebody who was woken by one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.report.columns import Paint, aligned, count, one_line, plain
from mlguard.report.when import minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.operate.incidents import Incident, Judged, Whole
    from mlguard.operate.watch import Change

SHOWN_CONSEQUENCES = 20
SHOWN_NAMES = 5


def change_line(change: Change) -> str:
    """Return one line for a log: when, how severe, what happened to which incident, what it is, and for whom."""
    payload = change.payload
    parts = [change.subject, *_act(change)]
    if change.event in ("opened", "reopened", "escalated"):
        also = len(payload.get("also") or [])
        if also:
            parts.append(f"{also} more broke with it")
        if payload.get("held"):
            parts.append("table is held")
    if change.recipients:
        parts.append("for " + ", ".join(change.recipients))
    return f"{minute(change.at)}  {severity_word(change.severity):6}  {one_line('; '.join(parts))}"


def letter(change: Change) -> tuple[str, str]:
    """Return title and text of a message to a person."""
    title = f"{severity_word(change.severity)} {change.subject}" if change.severity == "page" else change.subject
    return one_line(title), "\n".join([*_act(change), change.body])


def _act(change: Change) -> list[str]:
    """Return who did it and why, or what it belongs to now; nothing where nobody did anything."""
    payload = change.payload
    if change.event == "resolved" and payload.get("cause"):
        return [f"part of #{payload['cause']} now"]
    if not payload.get("by"):
        return []
    reason = payload.get("reason")
    until = f" until {payload['snoozed_until'][:16].replace('T', ' ')} UTC" if payload.get("snoozed_until") else ""
    return [f"by {payload['by']}{until}{f': {reason}' if reason else ''}"]


def severity_word(severity: str) -> str:
    """Return PAGE in capitals: it is what eyes look for."""
    return severity.upper() if severity == "page" else severity


def state_words(incident: Incident) -> str:
    """Return the state, and who made it so: `acknowledged by anna`."""
    match incident.state:
        case "acknowledged":
            words = f"acknowledged by {incident.acked_by}"
        case "snoozed":
            words = f"snoozed until {minute(incident.snoozed_until)}"
        case "resolved":
            words = "resolved by itself" if incident.auto else f"resolved by {incident.resolved_by}"
        case _:
            words = incident.state
    return f"{words}, {label_words(incident.label)}" if incident.label else words


def label_words(label: str | None) -> str:
    """Return what a label means."""
    return {"true": "a true alarm", "false": "a false alarm", "expected": "real, but expected"}.get(label or "", "")


def list_text(found: Sequence[Incident], paint: Paint = plain) -> str:
    """Return one line an incident; what is a consequence of another stands below it, with a plus sign."""
    listed = {incident.id for incident in found}
    return "\n".join(aligned((_line(incident, listed) for incident in found), paint))


def _line(incident: Incident, listed: set[int]) -> tuple[str, ...]:
    if incident.cause in listed:
        return (f"+ #{incident.id}", "", "also broke", "", incident.headline)
    state = state_words(incident)
    if incident.cause is not None:
        state += f", part of #{incident.cause}"
    if not incident.swept:
        state += ", not swept yet"
    return (f"#{incident.id}", severity_word(incident.severity), state, _since(incident), incident.headline)


def _since(incident: Incident) -> str:
    if incident.resolved_at:
        return f"{minute(incident.opened_at)} to {minute(incident.resolved_at)}"
    times = f", {count(incident.times, 'time')}" if incident.times > 1 else ""
    return f"since {minute(incident.opened_at)}{times}"


def summary(found: Sequence[Incident]) -> str:
    """Return how many alarms there are, and in which state: consequences are not counted."""
    listed = {incident.id for incident in found}
    alarms = [incident for incident in found if incident.cause not in listed]
    if not found:
        return "no incident is open"
    states = {
        state: sum(incident.state == state for incident in alarms)
        for state in ("open", "acknowledged", "snoozed", "resolved")
    }
    said = ", ".join(f"{n} {state}" for state, n in states.items() if n)
    more = len(found) - len(alarms)
    return f"{count(len(alarms), 'alarm')}: {said}" + (f"; {more} more broke with them" if more else "")


def show_text(whole: Whole) -> str:
    """Return everything about an incident, and what can be done next."""
    incident = whole.incident
    head = [f"#{incident.id}", severity_word(incident.severity), state_words(incident), _since(incident)]
    blocks = ["  ".join(head), _facts(whole)]
    if whole.consequences:
        blocks.append(_consequences(whole.consequences))
    if whole.history:
        blocks.append("\n".join(["what was judged, newest first:", *aligned(map(_judged, whole.history), indent="  ")]))
    happened = _happened(whole)
    if happened:
        blocks.append("\n".join(["what was said and done:", *happened]))
    blocks.append("\n".join(["next:", *aligned(_next(whole), indent="  ")]))
    return "\n\n".join(blocks)


def _facts(whole: Whole) -> str:
    # The words of the alert, without what stands elsewhere here: since when, who acknowledged it, what else broke.
    elsewhere = ("since ", "failed ", "resolved ", "acknowledged ", "snoozed ")
    lines: list[str] = []
    for line in whole.words.splitlines():
        if line == "also broke:":
            continue
        if not line.startswith(("  ", *elsewhere)):
            lines.append(one_line(line))
    if not whole.incident.swept:
        lines.append("no sweep has seen it yet: its cause is not known, and nobody was alerted (mlguard watch)")
    if whole.incident.flaps:
        lines.append(f"it came back {count(whole.incident.flaps, 'time')} soon after it had resolved itself")
    return "\n".join(f"  {line}" for line in lines)


def _consequences(found: Sequence[Incident]) -> str:
    shown = [(f"#{each.id}", state_words(each), each.headline) for each in found[:SHOWN_CONSEQUENCES]]
    lines = ["also broke:", *aligned(shown, indent="  ")]
    if len(found) > SHOWN_CONSEQUENCES:
        lines.append(f"  and {len(found) - SHOWN_CONSEQUENCES} more")
    return "\n".join(lines)


def _judged(verdict: Judged) -> tuple[str, ...]:
    found = ", ".join(part for part in (verdict.observed, verdict.allowed) if part)
    rows = count(verdict.n, "row") if verdict.n is not None else ""
    later = "" if verdict.current else "judged anew since"
    return (minute(verdict.at), verdict.outcome, verdict.scope or "", found, rows, later)


def _happened(whole: Whole) -> list[str]:
    lines = [(each.at, (f"{each.who}: {each.act}", each.reason or "")) for each in whole.acts]
    for alert in whole.alerts:
        names = ", ".join(alert.recipients[:SHOWN_NAMES])
        if len(alert.recipients) > SHOWN_NAMES:
            names += f" and {len(alert.recipients) - SHOWN_NAMES} more"
        how = f"delivered {minute(alert.delivered_at)}" if alert.delivered_at else "not delivered yet"
        if alert.last_error and not alert.delivered_at:
            how += f", {count(alert.attempts, 'attempt')}: {alert.last_error}"
        lines.append((alert.at, (f"alert: {alert.event}", f"to {names or 'nobody: no owner and no consumer'}, {how}")))
    ordered = sorted(lines, key=lambda line: line[0])
    return aligned([(minute(at), *rest) for at, rest in ordered], indent="  ")


def _next(whole: Whole) -> list[tuple[str, str]]:
    """Return (command, what for), the most useful first."""
    incident = whole.incident
    alarm = incident.cause or incident.id
    steps: list[tuple[str, str]] = []
    if incident.last_verdict is not None:
        steps.append((f"mlguard explain {incident.last_verdict}", "the numbers behind the last verdict"))
    if incident.state != "resolved":
        if incident.state != "acknowledged":
            steps.append((f"mlguard incidents ack {alarm}", "you are on it"))
        steps.append((f"mlguard incidents snooze {alarm} --for 4h --reason '…'", "quiet until then; gates stay closed"))
        if whole.held:
            steps.append((f"mlguard off {incident.slo} --for 4h --reason '…'", "lets readers through meanwhile"))
        steps.append(
            (f"mlguard incidents resolve {incident.id} --label true --reason '…'", "over; ends its holds, too")
        )
    if incident.label is None:
        steps.append(
            (f"mlguard incidents label {incident.id} --false --reason '…'", "nothing was wrong: counts in status")
        )
    return steps
