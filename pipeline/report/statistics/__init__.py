"""Intervals, paired differences and agreement."""
