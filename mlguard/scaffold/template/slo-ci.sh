#!/usr/bin/env bash
# What .github/workflows/slo.yml does, on the PostgreSQL of compose.yaml:
#   docker compose up -d --wait && bash slo-ci.sh
set -euo pipefail

export PGHOST=${PGHOST:-localhost}
export PGPORT=${PGPORT:-${POSTGRES_PORT:-5432}}
export PGUSER=${PGUSER:-postgres}
export PGPASSWORD=${PGPASSWORD:-${POSTGRES_PASSWORD:-local-only}}
export PGDATABASE=${PGDATABASE:-postgres}

mlguard validate
mlguard test
mlguard plan
mlguard apply --yes
mlguard plan --detailed-exitcode
mlguard check
