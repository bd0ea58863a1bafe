"""Likeness: from web pages to a benchmark of identity-preserving portrait generation."""

from pipeline import process

process.begin()
