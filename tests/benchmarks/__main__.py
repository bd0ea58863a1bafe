"""Prints, for every claim about speed in the code, how many times as long the alternative takes.

`python -m tests.benchmarks [name ...]`. Both sides take turns, so that whatever else the machine does meets both; the
ratio is that of their medians, with the least and the greatest ratio of single turns.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from tests.benchmarks import pairs

TURNS = 9


def main() -> None:
    """Measure all pairs, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", choices=[*pairs.PAIRS, []], help="all by default")
    torch.set_num_threads(1)
    for name in parser.parse_args().name or pairs.PAIRS:
        print(f"{name:<24} {measure(*pairs.PAIRS[name]())}", flush=True)


def measure(ours: Callable[[], object], theirs: Callable[[], object]) -> str:
    """The ratio in words."""
    ours(), theirs()
    turns = [(_seconds(ours), _seconds(theirs)) for _ in range(TURNS)]
    ratio = median(their for _, their in turns) / median(our for our, _ in turns)
    single = sorted(their / our for our, their in turns)
    return f"{ratio:6.2f} times as long ({single[0]:.2f} to {single[-1]:.2f})"


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
