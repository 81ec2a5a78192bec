"""Post-prediction steps over the rows of a request."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0026_request.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0026_request.down")
