"""Drawing the benchmark's cases, by methods and by the bounds."""
