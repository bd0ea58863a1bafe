"""Identities: cluster the faces of data/faces into people, clean them, and keep their names from run to run.

No label is read and no threshold is fitted on labels. Why this way: reports/decisions/identities.md.
"""
