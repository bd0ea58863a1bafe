"""One file per method: what its paper adds to the shared backbone, and nothing else."""
