"""One script per stage: `python -m stages.NAME`, as dvc.yaml calls it."""

import pipeline  # noqa: F401  # first of all: it sets threads, which numpy and torch read when they are imported
