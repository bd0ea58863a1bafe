"""Samples: captions, splits by identity, reference sets and training shards."""
