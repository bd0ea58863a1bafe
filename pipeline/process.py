"""What every process of the project sets before it calculates: one thread, freed arrays kept, no telemetry.

`import pipeline` calls `begin`, so no entry point can forget it. numpy, torch and numba read their variables when they
are imported: where another program imported them first they keep what it chose.
"""

import ctypes
import os
from collections.abc import Iterable, Mapping

# Spinning threads on shared cores can be over 30 times slower, and sums over another number of threads are rounded
# otherwise: one thread per process, parallel by processes.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
OPENMP_FAMILY = THREAD_VARIABLES[1:3]  # follow a number that a user sets for OpenMP
# glibc gives every large array back to the kernel, which then clears each page anew: over half the time of drawing on
# a virtual machine. Keep them: mallopt's number of a threshold, its variable (for processes started from here), bytes.
KEEP_ARRAYS = ((-3, "MALLOC_MMAP_THRESHOLD_", 2**30), (-1, "MALLOC_TRIM_THRESHOLD_", 2**32))
LARGEST_INT = 2**31 - 1  # mallopt takes no more
QUIET = {"DVC_NO_ANALYTICS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def begin() -> None:
    """Set the environment of this process and of those that it starts; what a user has set is left."""
    limits = thread_limits()
    os.environ.update(limits if "LIKENESS_THREADS" in os.environ else _with_chosen(limits))
    os.environ.update({**QUIET, **_chosen(QUIET)})
    _keep_arrays()


def thread_limits() -> dict[str, str]:
    """The variables that say how many threads a process has: LIKENESS_THREADS, or one. Workers are given these."""
    asked = os.environ.get("LIKENESS_THREADS", "")
    return dict.fromkeys(THREAD_VARIABLES, asked if asked.isdecimal() and int(asked) else "1")


def _with_chosen(limits: Mapping[str, str]) -> dict[str, str]:
    """The limits, but for what a user has set; torch would take MKL's number, which nobody chose, over OpenMP's."""
    chosen = _chosen(limits)
    openmp = dict.fromkeys(OPENMP_FAMILY, chosen["OMP_NUM_THREADS"]) if "OMP_NUM_THREADS" in chosen else {}
    return {**limits, **openmp, **chosen}


def _chosen(names: Iterable[str]) -> dict[str, str]:
    """What a user has set of these variables."""
    return {name: os.environ[name] for name in names if name in os.environ}


def _keep_arrays() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    for number, name, size in KEEP_ARRAYS:
        if mallopt and name not in os.environ:
            mallopt(number, min(size, LARGEST_INT))
            os.environ[name] = str(size)
