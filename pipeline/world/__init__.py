"""The embedded default world: drawn people with known truth, their photographs and their gallery site."""
