#!/bin/sh
# Reproduces the accuracy tables of docs/MODELS.md: `make accuracy`.
#
# Walks the development data forward on hourly and on daily candles and scores targets from 2023-04-01 to 2025-03-31 with
# the project's scorer. $BTCF_SHARED (default: ../shared) holds both; forecasts are left in $BUILD/accuracy.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-build}
shared=${BTCF_SHARED:-$root/../shared}
cd "$root"
[ -r "$shared/evaluate/score.py" ] || { echo "accuracy: no $shared/evaluate/score.py; set BTCF_SHARED" >&2; exit 1; }
mkdir -p "$build/accuracy"

# measure NAME CANDLES INTERVAL STEP_S WINDOW FROM EVERY HORIZONS
measure() {
    echo "== $1: origins every $7, base rw-gauss-$5 =="
    "$build/btcf" backtest --candles "$2" --interval "$3" --from "$6" --to 2025-04-01 --step "$7" --horizons "$8" \
        --out "$build/accuracy/$1.csv" > /dev/null
    /usr/bin/python3 "$shared/evaluate/score.py" --candles "$2" --step "$4" --window "$5" --from 2023-04-01 \
        --to 2025-04-01 "$build/accuracy/$1.csv"
}

# The first origin lies the longest horizon before the first target.
measure hourly "$shared/data/btcusd-1h.csv" 1h 3600 168 2023-03-31 6h 1h,4h,12h,1d
measure daily "$shared/data/btcusd-1d.csv" 1d 86400 365 2023-03-02 1d 1d,3d,7d,14d,30d
