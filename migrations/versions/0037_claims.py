"""Who may act in the retrain loop."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0037_claims.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0037_claims.down")
