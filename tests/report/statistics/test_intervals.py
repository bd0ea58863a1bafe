"""Intervals: against closed forms, simulated truth, and cases worked by hand."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from pipeline.report.statistics import intervals

DRAWS = 4000


def spread(casts, values) -> float:
    """Standard deviation of the weighted mean over draws."""
    weights = intervals.case_weights(casts, DRAWS, np.random.default_rng(0))
    return float(np.std((weights @ values) / weights.sum(1)))


def test_one_image_per_person_is_the_plain_bootstrap() -> None:
    """Closed form: the bootstrap's standard error of a mean is the population deviation over sqrt(n)."""
    values = np.random.default_rng(1).normal(size=40)
    casts = [[f"p{index}"] for index in range(40)]
    assert spread(casts, values) == pytest.approx(values.std() / np.sqrt(40), rel=0.05)


def test_images_of_one_person_are_one_piece_of_evidence() -> None:
    """Five equal images of each of 40 people are worth 40, not 200: the deviation of the people's means counts."""
    values = np.random.default_rng(2).normal(size=40)
    casts = [[f"p{index}"] for index in range(40) for _ in range(5)]
    assert spread(casts, np.repeat(values, 5)) == pytest.approx(values.std() / np.sqrt(40), rel=0.05)


def test_casts_that_never_meet_are_drawn_whole() -> None:
    values = np.random.default_rng(3).normal(size=30)
    casts = [[f"a{index}", f"b{index}"] for index in range(30)]
    assert spread(casts, values) == pytest.approx(values.std() / np.sqrt(30), rel=0.05)


def test_people_who_all_meet_weigh_by_products() -> None:
    """All pairs of 20 people, each value the sum of two people's: the truth's spread is 2 sigma / sqrt(20).

    Averaging the counts would give half of that.
    """
    effect = np.random.default_rng(4).normal(size=20)
    casts = [[f"p{i}", f"p{j}"] for i in range(20) for j in range(i)]
    values = np.array([effect[i] + effect[j] for i in range(20) for j in range(i)])
    truth = 2 * effect.std() / np.sqrt(20)
    assert 0.9 * truth < spread(casts, values) < 1.25 * truth


def test_weights_of_a_cast_are_the_product_of_counts() -> None:
    casts = [["a", "b"], ["b", "c"], ["a", "c"]]
    weights = intervals.case_weights(casts, 200, np.random.default_rng(5))
    assert (weights.sum(1) > 0).all()
    assert set(np.unique(weights)) <= {0.0, 1.0, 2.0}  # counts of three people sum to 3: 1*1, 2*1, 0


def test_groups_join_through_others() -> None:
    assert intervals.group_of([["a", "b"], ["c"], ["b", "d"], ["d"]]).tolist() == [0, 1, 0, 0]


def test_the_same_seed_gives_the_same_weights() -> None:
    casts = [[f"p{index % 7}"] for index in range(20)]
    one, two = (intervals.case_weights(casts, 50, np.random.default_rng(6)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_the_interval_of_a_known_sample() -> None:
    """Of very many units the percentiles; of two t = 6.314 and z = 1.645, so sqrt(2) 3.839 times as far."""
    assert intervals.interval(np.arange(1001.0), 500.0, 0.9, 10**9) == pytest.approx((50.0, 950.0))
    far = 450 * np.sqrt(2) * 6.3138 / 1.6449
    assert intervals.interval(np.arange(1001.0), 500.0, 0.9, 2) == pytest.approx((500 - far, 500 + far), rel=1e-4)


def test_the_interval_holds_the_estimate() -> None:
    assert intervals.interval(np.array([1.0, 2.0]), 5.0, 0.95, 9)[1] == 5.0


def test_an_unknown_estimate_has_no_interval_and_one_unit_one_without_end() -> None:
    assert np.isnan(intervals.interval(np.array([1.0]), float("nan"), 0.95, 9)).all()
    assert np.isnan(intervals.interval(np.array([np.nan]), 1.0, 0.95, 9)).all()
    assert intervals.interval(np.array([1.0, 1.0]), 1.0, 0.95, 1) == (-np.inf, np.inf)


def sample(people: int, images: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draws and the mean of images of people, whose true mean is 0."""
    values = (rng.normal(size=(people, 1)) + 0.5 * rng.normal(size=(people, images))).ravel()
    weights = intervals.case_weights([[f"p{i}"] for i in range(people) for _ in range(images)], 400, rng)
    return (weights @ values) / weights.sum(1), float(values.mean())


@pytest.mark.parametrize("people", [3, 5, 60])
def test_coverage_of_the_interval(people: int) -> None:
    """95 % intervals of people with 4 images each hold the truth about 95 times in 100, of few people too."""
    found = [intervals.interval(*sample(people, 4, np.random.default_rng(seed)), 0.95, people) for seed in range(400)]
    assert 0.92 <= np.mean([low <= 0.0 <= high for low, high in found]) <= 0.98


@pytest.mark.parametrize(("people", "least"), [(3, 0.25), (8, 2**-7), (60, 0.0)])
def test_equal_methods_are_told_apart_at_most_five_times_in_a_hundred(people: int, least: float) -> None:
    """Of three people never: flips of three signs give no level below 0.25."""
    levels = [intervals.two_sided(*sample(people, 1, np.random.default_rng(seed)), people) for seed in range(1000)]
    assert np.mean(np.array(levels) < 0.05) <= 0.07
    assert min(levels) >= least


def test_so_is_any_pair_of_eight_equal_methods() -> None:
    """24 people, 28 pairs: far in the tails, where the draws' own are too light (12 tables of 100 showed something)."""
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values, weights = rng.normal(size=(24, 8)), intervals.case_weights([[f"p{i}"] for i in range(24)], 400, rng)
        draws, means = (weights @ values) / weights.sum(1, keepdims=True), values.mean(0)
        pairs = [(one, other) for one in range(8) for other in range(one)]
        levels = [intervals.two_sided(draws[:, a] - draws[:, b], means[a] - means[b], 24) for a, b in pairs]
        wrong += min(intervals.holm(levels)) < 0.05
    assert wrong / 300 <= 0.08


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [(0.0, 10, 0.0, 0.2775), (1.0, 10, 0.7225, 1.0), (0.5, 20, 0.2993, 0.7007)],
)
def test_wilson_against_tables(share: float, n: int, low: float, high: float) -> None:
    assert intervals.wilson(share, n, 0.95) == pytest.approx((low, high), abs=1e-4)


def test_ranks_by_hand() -> None:
    """The first is always best; the two others change places in half of the draws. One unit says nothing."""
    draws = np.array([[3.0, 3.0, 3.0, 3.0], [1.0, 2.0, 1.0, 2.0], [2.0, 1.0, 2.0, 1.0]])
    means = draws.mean(1)
    assert intervals.rank_intervals(draws, means, "higher", 0.95, 30) == [(1, 1), (2, 3), (2, 3)]
    assert intervals.rank_intervals(draws, means, "lower", 0.95, 30) == [(3, 3), (1, 2), (1, 2)]
    assert intervals.rank_intervals(draws, means, "higher", 0.95, 1) == [(1, 3)] * 3


def test_ranks_of_few_units_are_less_certain() -> None:
    """The first leads in every draw, in some by a quarter of what it does on average: three people may mislead."""
    draws, means = np.array([[0.3, 0.05], [0.0, 0.0]]), np.array([0.175, 0.0])
    assert intervals.rank_intervals(draws, means, "higher", 0.95, 1000) == [(1, 1), (2, 2)]
    assert intervals.rank_intervals(draws, means, "higher", 0.95, 3) == [(1, 2), (1, 2)]


def test_two_sided_level_against_a_t_test() -> None:
    """The bootstrap's spread of a mean is the population deviation over sqrt(n), known without drawing."""
    values = np.random.default_rng(7).normal(0.4, 1.0, size=12)
    error = values.std() / np.sqrt(12)
    draws = values.mean() + error * np.array([-1.0, 1.0])
    assert intervals.two_sided(draws, values.mean(), 12) == pytest.approx(ttest_1samp(values, 0.0).pvalue)
    assert intervals.two_sided(-draws, -values.mean(), 12) == pytest.approx(ttest_1samp(values, 0.0).pvalue)


def test_two_sided_level_without_spread() -> None:
    """Five people who all differ by the same: as improbable as five signs that agree."""
    assert intervals.two_sided(np.ones(100), 1.0, 5) == pytest.approx(2 / 2**5)
    assert intervals.two_sided(np.ones(100), 1.0, 1) == 1.0
    assert intervals.two_sided(np.zeros(10), 0.0, 5) == 1.0
    assert np.isnan(intervals.two_sided(np.full(10, np.nan), 1.0, 5))


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.03, 0.04 times 3, 2, 1, never falling: 0.03, 0.06, 0.06."""
    assert intervals.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
