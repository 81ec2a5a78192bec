"""Work with what a guarded database found: quarantine, violations, exceptions, gates, status, models, audit.

Every function takes an open psycopg connection and calls public views and functions of schema mlguard, so that
whoever may call them in SQL may call them here, and with the same effect.
"""

from mlguard.operate.audit import AuditFault, Event, Head, audit_head, audit_list, audit_verify
from mlguard.operate.exceptions import NeedsAlter, off, resume, slo_id, waive
from mlguard.operate.gate import Gate, gate, gates, held
from mlguard.operate.health import Health
from mlguard.operate.incidents import Incident, ack, incident, incidents, label, resolve, snooze
from mlguard.operate.models import (
    Difference,
    ModelVersion,
    Usage,
    approve,
    model_diff,
    model_usage,
    model_versions,
    promote,
    register,
    retire,
    rollback,
)
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
    "AuditFault",
    "Decision",
    "Difference",
    "Event",
    "Gate",
    "Head",
    "Health",
    "Incident",
    "Kept",
    "ModelVersion",
    "NeedsAlter",
    "Review",
    "SloStatus",
    "Status",
    "Usage",
    "Violation",
    "ack",
    "approve",
    "audit_head",
    "audit_list",
    "audit_verify",
    "discard",
    "gate",
    "gates",
    "held",
    "incident",
    "incidents",
    "label",
    "model_diff",
    "model_usage",
    "model_versions",
    "off",
    "promote",
    "quarantine_list",
    "quarantine_show",
    "register",
    "release",
    "replay",
    "resolve",
    "resume",
    "retire",
    "review_accept",
    "review_known",
    "review_list",
    "review_override",
    "review_reject",
    "rollback",
    "slo_id",
    "snooze",
    "status",
    "violations",
    "waiting_ids",
    "waive",
]
