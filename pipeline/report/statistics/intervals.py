"""Intervals by resampling people, because images of one person are no independent evidence.

Weights (draws, cases) stand for resampled casts: every estimate of a cell of the table is a weighted mean under the
same weights, so that differences between methods and shares between bounds are paired draw by draw.
"""

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import t as student

Floats = NDArray[np.float64]
Cast = Sequence[str]

# With fewer groups of people who never meet a bootstrap over groups has too few things to draw from.
FEWEST_GROUPS = 10
_TRIES = 1000


def case_weights(casts: Sequence[Cast], draws: int, rng: np.random.Generator) -> Floats:
    """Weights (draws, cases) of cases with the given casts, from resampled people.

    People who never share a case, not even through others, are independent: where there are at least FEWEST_GROUPS
    such groups, groups are drawn with replacement (the cluster bootstrap; a group is one person for cases of one
    person). Else people are drawn, and a case weighs the product of its people's counts, the bootstrap of crossed
    factors of Owen and Eckles (2012, arXiv 1106.2125): right for differences between people, and too wide rather than
    too narrow for what is particular to a case. Averaging the counts instead would halve the spread for two people.
    """
    return _drawn(units(casts), draws, rng)


def units(casts: Sequence[Cast]) -> NDArray[np.int64]:
    """The numbers (cases, k), from 0 without gaps, of what is resampled of each case: its group, or its k people."""
    groups = group_of(casts)
    if len(set(groups.tolist())) >= FEWEST_GROUPS or all(len(cast) == 1 for cast in casts):
        return groups[:, None]
    names = {name: index for index, name in enumerate(sorted({name for cast in casts for name in cast}))}
    return np.array([[names[name] for name in cast] for cast in casts])


def group_of(casts: Sequence[Cast]) -> NDArray[np.int64]:
    """A number (cases,) for each case: equal where casts share a person, directly or through other cases."""
    names = {name: index for index, name in enumerate(sorted({name for cast in casts for name in cast}))}
    pairs = [(case, len(casts) + names[name]) for case, cast in enumerate(casts) for name in cast]
    rows, columns = np.array(pairs).T
    size = len(casts) + len(names)
    labels = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), (size, size)), directed=False)[1]
    return np.unique(labels[: len(casts)], return_inverse=True)[1].astype(np.int64)


def _drawn(numbers: NDArray[np.int64], draws: int, rng: np.random.Generator) -> Floats:
    """Product over a case's units, as `units` numbers them (cases, k), of how often each was drawn.

    A draw without any case is drawn again.
    """
    count = int(numbers.max()) + 1
    share = np.full(count, 1.0 / count)
    weights = np.zeros((draws, len(numbers)))
    empty = np.arange(draws)
    for _ in range(_TRIES):
        counts = rng.multinomial(count, share, size=len(empty)).astype(np.float64)
        weights[empty] = counts[:, numbers].prod(axis=2)
        empty = np.flatnonzero(weights.sum(axis=1) == 0)
        if not len(empty):
            break
    return weights


def interval(draws: Floats, estimate: float, confidence: float, units: int) -> tuple[float, float]:
    """The percentile interval of draws (D,) that resample n = `units`, as `widened` for as few as they are.

    It holds the estimate, which few or skewed draws may miss. NaN where the estimate or every draw is; without end
    where one unit is all there is, which says nothing of others.
    """
    known = draws[np.isfinite(draws)]
    if not len(known) or not np.isfinite(estimate):
        return float("nan"), float("nan")
    if units < 2:
        return float("-inf"), float("inf")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(widened(known, estimate, confidence, units), [tail, 1.0 - tail])
    return min(float(low), estimate), max(float(high), estimate)


def widened(draws: Floats, estimate: Floats | float, confidence: float, units: int) -> Floats:
    """Draws as far from the estimate as Student's t asks for with `units` (at least 2) resampled.

    Percentiles of a bootstrap over n units have the tails of a normal distribution and a spread that lacks a factor of
    sqrt(n / (n - 1)): of five people's "95 %" intervals 83 % hold the truth (Hesterberg 2015, arXiv 1411.5279).
    """
    level = 0.5 + confidence / 2.0
    factor = student.ppf(level, units - 1) / NormalDist().inv_cdf(level) * np.sqrt(units / (units - 1))
    return estimate + factor * (draws - estimate)


def wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's (1927) score interval of a proportion; for scores between 0 and 1 it is too wide rather than too narrow.

    Resampling cannot tell 0 of 3 from 0 of 300: where a share is 0 or 1 in the sample, every draw is too.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    centre = share + z * z / (2 * n)
    spread = z * np.sqrt(share * (1.0 - share) / n + z * z / (4 * n * n))
    scale = 1.0 + z * z / n
    return max(0.0, float((centre - spread) / scale)), min(1.0, float((centre + spread) / scale))


def rank_intervals(
    draws: Floats, estimates: Floats, better: str, confidence: float, units: int
) -> list[tuple[int, int]]:
    """Best and worst rank (1 is best) of each of M methods (M,) within the central share of draws (M, D), `widened`.

    Ties share a rank, and a draw without a number (NaN) is last. One unit ranks nobody.
    """
    if units < 2:
        return [(1, len(draws))] * len(draws)
    draws = widened(draws, estimates[:, None], confidence, units)
    signed = np.nan_to_num(draws if better == "higher" else -draws, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    ranks = 1 + (signed[None, :, :] > signed[:, None, :]).sum(axis=1)
    tail = (1.0 - confidence) / 2.0
    low = np.quantile(ranks, tail, axis=1, method="lower")
    high = np.quantile(ranks, 1.0 - tail, axis=1, method="higher")
    return [(int(first), int(last)) for first, last in zip(low, high, strict=True)]


def two_sided(draws: Floats, estimate: float, units: int) -> float:
    """How probable so large a difference is where there is none: Student's t, with the spread of its draws (D,).

    Not from the draws' tails, which are too light where many pairs are corrected for. Never below what a test that
    flips the signs of n = `units` differences could give, 2 / 2^n.
    """
    known = draws[np.isfinite(draws)]
    if not len(known) or not np.isfinite(estimate):
        return float("nan")
    if units < 2 or estimate == 0:
        return 1.0
    error = float(known.std()) * np.sqrt(units / (units - 1))
    level = 2.0 * float(student.sf(abs(estimate) / error, units - 1)) if error else 0.0
    return max(level, 2.0 ** (1 - units))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction of p-values; NaN stays."""
    known = sorted((value, index) for index, value in enumerate(values) if np.isfinite(value))
    corrected, highest = list(values), 0.0
    for step, (value, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - step) * value))
        corrected[index] = highest
    return corrected


def per_draw(estimate: Callable[[Floats], Floats], weights: Floats) -> tuple[float, Floats]:
    """An estimator on the cases as they are (weights of 1), and on every draw."""
    return float(estimate(np.ones((1, weights.shape[1])))[0]), estimate(weights)
