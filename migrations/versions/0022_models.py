"""Versions of models, what they wrote and on which inputs, the chain of events."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0022_models.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0022_models.down")
