"""Measurements of claims about speed: ours beside its alternative, in one run. `make bench` prints the ratios."""
