"""The learning rate over a phase."""

from pipeline.training.optimiser import learning_rate_factor


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate_factor(step, 100) for step in range(100)]
    assert rates[0] < rates[4] < rates[5] == max(rates)
    assert rates[99] < 0.01
    assert rates[5:] == sorted(rates[5:], reverse=True)
