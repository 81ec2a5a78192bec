"""Work with what a guarded database found: quarantine, violations, exceptions, gates, status.

Every function takes an open psycopg connection and calls public views and functions of schema mlguard, so that
whoever may call them in SQL may call them here, and with the same effect.
"""

from mlguard.operate.exceptions import NeedsAlter, off, resume, slo_id, waive
from mlguard.operate.gate import Gate, gate, gates, held
from mlguard.operate.health import Health
from mlguard.operate.incidents import Incident, ack, incident, incidents, label, resolve, snooze
from mlguard.operate.quarantine import (
    Decision,
    Kept,
    discard,
    quarantine_list,
    quarantine_show,
    release,
    replay,
    waiting_ids,
)
from mlguard.operate.review import (
    Review,
    review_accept,
    review_known,
    review_list,
    review_override,
    review_reject,
)
from mlguard.operate.status import SloStatus, Status, status
from mlguard.operate.violations import Violation, violations

__all__ = [
    "Decision",
    "Gate",
    "Health",
    "Incident",
    "Kept",
    "NeedsAlter",
    "Review",
    "SloStatus",
    "Status",
    "Violation",
    "ack",
    "discard",
    "gate",
    "gates",
    "held",
    "incident",
    "incidents",
    "label",
    "off",
    "quarantine_list",
    "quarantine_show",
    "release",
    "replay",
    "resolve",
    "resume",
    "review_accept",
    "review_known",
    "review_list",
    "review_override",
    "review_reject",
    "slo_id",
    "snooze",
    "status",
    "violations",
    "waiting_ids",
    "waive",
]
