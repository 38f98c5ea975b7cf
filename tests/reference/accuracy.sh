#!/bin/sh
# Reproduces the accuracy tables of docs/MODELS.md: `make accuracy`.
#
# Walks the development data forward on hourly and on daily candles and scores targets from 2023-04-01 to 2025-03-31, and
# of the three years before, with the project's scorer. $BTCF_SHARED (default: ../shared) holds both; forecasts and a report
# of each walk are left in $BUILD/accuracy.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-build}
shared=${BTCF_SHARED:-$root/../shared}
cd "$root"
[ -r "$shared/evaluate/score.py" ] || { echo "accuracy: no $shared/evaluate/score.py; set BTCF_SHARED" >&2; exit 1; }
mkdir -p "$build/accuracy"

# walk NAME CANDLES INTERVAL FROM TO EVERY HORIZONS
walk() {
    "$build/btcf" backtest --candles "$2" --interval "$3" --from "$4" --to "$5" --step "$6" --horizons "$7" \
        --out "$build/accuracy/$1.csv" --report "$build/accuracy/$1.html" > /dev/null
}

# score NAME CANDLES STEP_S WINDOW FROM TO [more options of the scorer]: targets in [FROM, TO)
score() {
    name=$1 candles=$2 step=$3 window=$4 from=$5 to=$6
    shift 6
    echo "== $name, targets $from to $to, base rw-gauss-$window $* =="
    /usr/bin/python3 "$shared/evaluate/score.py" --candles "$candles" --step "$step" --window "$window" --from "$from" \
        --to "$to" "$@" "$build/accuracy/$name.csv"
}

hours=$shared/data/btcusd-1h.csv
days=$shared/data/btcusd-1d.csv
# The first origin lies the longest horizon before the first target.
walk hourly "$hours" 1h 2023-03-31 2025-04-01 6h 1h,4h,12h,1d
score hourly "$hours" 3600 168 2023-04-01 2025-04-01
score hourly "$days" 86400 365 2023-04-01 2025-04-01 --every 86400 --horizons 86400
walk daily "$days" 1d 2023-03-02 2025-04-01 1d 1d,3d,7d,14d,30d
score daily "$days" 86400 365 2023-04-01 2025-04-01
# The three years before: what was chosen had to hold there, too.
walk hourly-before "$hours" 1h 2019-12-31 2023-04-01 6h 1h,4h,12h,1d
score hourly-before "$hours" 3600 168 2020-01-01 2023-04-01
walk daily-before "$days" 1d 2019-12-01 2023-04-01 1d 1d,3d,7d,14d,30d
score daily-before "$days" 86400 365 2020-01-01 2023-04-01
