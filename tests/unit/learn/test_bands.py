"""The arithmetic of bands: by hand, and against the same formulas written out plainly for one series at a time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence

import numpy as np
import pytest

from mlguard.learn.bands import Bands, learn_bands
from mlguard.learn.history import KEPT, PREDICTORS, History, learned_scale
from mlguard.learn.sample import Numbers
from mlguard.learn.series import KINDS, Series

ONE = np.ones(1)
SLOTS = list(range(7)) * 40


def history_of(
    series: Series, values: Sequence[float], *, n: int = 1000, k: int = 1000, weekly: bool = False
) -> History:
    history = History([series], ONE)
    for i, value in enumerate(values):
        history.append(np.array([value]), n, k, SLOTS[i] if weekly else None)
    return history


def percentile(values: Sequence[float], q: float) -> float:
    """percentile_cont."""
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    low, high = math.floor(rank), math.ceil(rank)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def plainly(metric: str, values: Sequence[float], k: int, slots: Sequence[int | None]) -> dict[str, float]:
    """What the specification says, for a series that never misses a value; a share or a count."""
    kind = KINDS[metric]
    y = [math.asin(math.sqrt(x)) if kind.steadied == "share" else math.log(1 + x) for x in values]

    def predictions(i: int) -> list[float | None]:
        past = y[:i]
        same = [y[j] for j in range(i - 1, max(-1, i - 36), -1) if slots[j] == slots[i]][:4]
        seven = past[-7] if i >= 7 else None
        weekly = statistics.median([past[-7], past[-14], past[-21]]) if i >= 21 else seven
        by_slot = None
        if slots[i] is not None:
            by_slot = statistics.median(same) if len(same) >= 2 else None
        return [statistics.median(past[-30:]), statistics.median(past[-7:]), past[-1], seven, weekly, by_slot]

    best: tuple[float, int] | None = None
    chosen: list[float] = []
    history = 0
    for candidate in range(6):
        if predictions(len(y))[candidate] is None:
            continue
        errors = []
        for i in range(max(7, len(y) - 150), len(y)):
            predicted = predictions(i)[candidate]
            if predicted is not None:
                errors.append(y[i] - predicted)
        if candidate == 0:
            history = len(errors)
        if len(errors) < 7:
            continue
        sizes = [abs(error) for error in errors]
        q9 = percentile(sizes, 0.9)
        mean = statistics.fmean(min(size, q9) for size in sizes) * (1 if candidate == 0 else 1.05)
        if best is None or mean < best[0]:
            best, chosen = (mean, candidate), errors
    assert best is not None
    sizes = [abs(error) for error in chosen]
    spread = max(1.4826 * percentile(sizes, 0.5), percentile(sizes, 0.9) / 1.645)
    floor = max(0.4 / math.sqrt(k), 0.01) if kind.steadied == "share" else 0.02
    signed = [error / max(spread, floor) for error in chosen]

    def worst(z: list[float]) -> float:
        top = sorted(z, reverse=True)[:2]
        return top[0] if len(z) < 40 else sum(top) / 2

    if kind.side == "both":
        overall = worst([abs(z) for z in signed])
        up = max(worst([max(z, 0) for z in signed]), 0.6 * overall)
        down = max(worst([max(-z, 0) for z in signed]), 0.6 * overall)
    else:
        up = down = worst([max(z, 0) for z in signed])
    wider = (1 + 8 / history) * kind.factor
    now = predictions(len(y))[best[1]]
    assert now is not None
    return {
        "predictor": best[1], "predicted": now, "spread": spread,
        "up": max(3.5, 1 + 2.5 * up) * wider, "down": max(3.5, 1 + 2.5 * down) * wider,
    }  # fmt: skip


def same_as_plainly(bands: Bands, plain: dict[str, float]) -> None:
    assert bands.predictor[0] == plain["predictor"]
    assert bands.predicted[0] == pytest.approx(plain["predicted"])
    assert bands.spread[0] == pytest.approx(plain["spread"])
    assert bands.limit[:, 0] == pytest.approx([plain["up"], plain["down"]])


@pytest.mark.parametrize("length", [14, 20, 35, 46, 47, 120, 190])
@pytest.mark.parametrize("metric", ["null", "spike", "rows"])
@pytest.mark.parametrize("weekly", [False, True])
def test_bands_are_what_the_specification_says(length: int, metric: str, *, weekly: bool) -> None:
    rng = np.random.default_rng([length, len(metric)])
    season = np.array([1.0, 1, 1, 1, 1.1, 1.6, 1.5])[np.arange(length) % 7]
    if metric == "rows":
        values = [float(x) for x in np.round(900 * season * np.exp(rng.normal(0, 0.1, length)))]
    else:
        values = [float(x) for x in np.clip(0.1 * season + rng.normal(0, 0.02, length), 0, 1)]
    history = history_of(Series("a", metric), values, weekly=weekly)
    slots: list[int | None] = [*SLOTS[: length + 1]] if weekly else [None] * (length + 1)
    same_as_plainly(learn_bands(history, slots[length]), plainly(metric, values, 1000, slots))


def test_a_rate_that_was_always_0_alarms_at_the_first_breach() -> None:
    bands = learn_bands(history_of(Series("a", "null"), [0.0] * 67, k=1600), None)
    # spread 0, floor max(0.4 / 40, 0.01) = 0.01, worst 0, limit 3.5 * (1 + 8 / 60)
    assert bands.limit[0, 0] == pytest.approx(3.5 * (1 + 8 / 60))
    allowed = math.sin(0.01 * 3.5 * (1 + 8 / 60)) ** 2
    assert bands.band(0, 1600, 1600).high == pytest.approx(allowed)
    assert bands.ratio(np.array([allowed * 1.01]), 1600, 1600)[0] > 1
    assert bands.ratio(np.array([allowed * 0.99]), 1600, 1600)[0] < 1
    assert allowed < 0.002


def test_ratio_is_measured_in_the_direction_of_the_error() -> None:
    values = [0.5] * 40
    values[20] = 0.62
    bands = learn_bands(history_of(Series("a", "null"), values), None)
    up, down = bands.limit[:, 0]
    assert down < up, "a rise in the past does not hide a fall"
    assert bands.ratio(np.array([0.4]), 1000, 1000)[0] > bands.ratio(np.array([0.6]), 1000, 1000)[0]


def test_one_past_fault_does_not_blind_a_long_history() -> None:
    values = [0.01] * 100
    values[50] = 0.5
    long = learn_bands(history_of(Series("a", "null"), values), None)
    short = learn_bands(history_of(Series("a", "null"), values[30:60]), None)
    assert long.limit[0, 0] < 0.6 * short.limit[0, 0]
    assert long.ratio(np.array([0.95]), 1000, 1000)[0] > 1 > short.ratio(np.array([0.95]), 1000, 1000)[0]


def test_one_sided_series_alarm_to_one_side() -> None:
    up = learn_bands(history_of(Series("a", "spike"), [0.3] * 30), None)
    assert up.ratio(np.array([0.0]), 1000, 1000)[0] == 0
    assert up.ratio(np.array([0.6]), 1000, 1000)[0] > 1
    assert up.band(0, 1000, 1000).low is None
    down = learn_bands(history_of(Series("a", "dependence", "b"), [0.5] * 30), None)
    assert down.ratio(np.array([0.9]), 1000, 1000)[0] == 0
    assert down.ratio(np.array([0.1]), 1000, 1000)[0] > 1
    assert down.band(0, 1000, 1000).high is None


def test_trend_is_predicted_by_the_last_value() -> None:
    bands = learn_bands(history_of(Series("", "rows"), [1000 * 1.02**i for i in range(90)]), None)
    assert PREDICTORS[bands.predictor[0]] == "last"
    assert bands.ratio(np.array([1000 * 1.02**90]), 1000, 1000)[0] < 0.5
    assert bands.ratio(np.array([500 * 1.02**90]), 1000, 1000)[0] > 1


def test_weekly_season_is_predicted_by_its_day() -> None:
    rng = np.random.default_rng(5)
    values = [
        float(x) for x in np.array([1000, 1000, 1000, 1000, 900, 400, 300])[np.arange(91) % 7] * rng.normal(1, 0.01, 91)
    ]
    for weekly in (False, True):
        bands = learn_bands(history_of(Series("", "rows"), values, weekly=weekly), SLOTS[91] if weekly else None)
        assert bands.ratio(np.array([1000.0]), 1000, 1000)[0] < 1, "Monday after Sunday"
        assert bands.ratio(np.array([600.0]), 1000, 1000)[0] > 1
        assert bands.ratio(np.array([300.0]), 1000, 1000)[0] > 1, "right for a Sunday only"


def test_a_season_with_holes_is_followed_by_slot() -> None:
    days = [day for week in range(20) for day in (range(7) if week % 3 else range(1, 6))]
    values = [300.0 if day >= 5 else 1000.0 for day in days]
    history = History([Series("", "rows")], ONE)
    for value, day in zip(values, days, strict=True):
        history.append(np.array([value]), 1000, 1000, day)
    bands = learn_bands(history, 5)
    assert PREDICTORS[bands.predictor[0]] == "same slot"
    assert bands.band(0, 300, 300).predicted == pytest.approx(300)


def test_heavy_tails_widen_the_band() -> None:
    rng = np.random.default_rng(8)
    calm = learn_bands(history_of(Series("a", "mean"), [float(x) for x in rng.normal(0, 0.1, 100)]), None)
    tails = rng.normal(0, 0.1, 100)
    tails[[30, 60]] = 4.0, 5.0
    wild = learn_bands(history_of(Series("a", "mean"), [float(x) for x in tails]), None)
    assert calm.ratio(np.array([4.0]), 1000, 1000)[0] > 1 > wild.ratio(np.array([4.0]), 1000, 1000)[0]


def test_missing_values_have_no_error_and_sparse_series_are_not_judged() -> None:
    nan = float("nan")
    values = [0.1 if i % 4 == 0 else nan for i in range(80)]
    sparse = learn_bands(history_of(Series("a", "null"), values), None)
    assert not sparse.judged[0]
    assert sparse.ratio(np.array([1.0]), 1000, 1000)[0] == 0
    some = learn_bands(history_of(Series("a", "null"), [nan] * 20 + [0.1, 0.1, 0.1, nan] * 10), None)
    assert some.judged[0]
    assert some.history[0] == 30 - 6, "the first seven scopes of it, six values, have no prediction"
    assert some.ratio(np.array([0.5]), 1000, 1000)[0] > 1
    assert some.ratio(np.array([nan]), 1000, 1000)[0] == 0


def test_short_history_is_not_judged() -> None:
    assert not learn_bands(history_of(Series("a", "null"), [0.0] * 13), None).judged[0]
    assert learn_bands(history_of(Series("a", "null"), [0.0] * 14), None).judged[0]


def test_sensitivity_multiplies_limits() -> None:
    history = history_of(Series("a", "null"), [0.0, 0.01] * 30)
    base = learn_bands(history, None).limit
    assert learn_bands(history, None, 1.5).limit == pytest.approx(1.5 * base)


def test_scale_of_locations() -> None:
    series = [Series("a", "mean"), Series("b", "mean"), Series("c", "mean"), Series("a", "null")]
    nan = float("nan")
    values = np.array([[10.0, -4.0, 0.0, 0.1]] * 9)
    deviations = np.array([[2.0, 0.0, 0.0, nan]] * 9)
    assert learned_scale(series, values, deviations).tolist() == [2.0, 4.0, 1.0, 1.0]


def test_band_shows_its_arithmetic() -> None:
    band = learn_bands(history_of(Series("a", "null"), [0.04] * 50, k=400), None).band(0, 400, 400)
    assert (band.predictor, band.history, band.spread) == ("median of 30", 43, 0.0)
    assert band.noise == pytest.approx(0.02)
    assert band.effect == 0.01
    assert band.predicted == pytest.approx(0.04)
    limit = 3.5 * (1 + 8 / 43)
    assert band.limit == pytest.approx((limit, limit))
    assert band.high == pytest.approx(math.sin(math.asin(0.2) + 0.02 * limit) ** 2)
    assert band.low == pytest.approx(math.sin(math.asin(0.2) - 0.02 * limit) ** 2)


def test_a_history_keeps_its_latest_values() -> None:
    history = history_of(Series("a", "null"), [0.1] * (KEPT + 30))
    assert len(history.errors) == len(history.slots) == len(history.n) == KEPT
    assert history.age[0] == KEPT + 30


def seconds(started: float) -> float:
    return time.process_time() - started


def test_a_thousand_series_of_400_scopes_are_refreshed_in_seconds() -> None:
    rng = np.random.default_rng(9)
    series = [Series(f"c{i}", metric) for i in range(250) for metric in ("null", "spike", "overlap", "mean")]
    values: Numbers = rng.random((400, len(series)))
    started = time.process_time()
    history = History(series, np.ones(len(series)))
    for row in values:
        history.append(row, 1000, 1000, None)
    bands = learn_bands(history, None)
    assert seconds(started) < 10
    started = time.process_time()
    bands.ratio(values[0], 1000, 1000)
    assert seconds(started) < 0.1
