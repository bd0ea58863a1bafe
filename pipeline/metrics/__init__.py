"""Metrics, one file each; the contract is pipeline/metric.py."""
