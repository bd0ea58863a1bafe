"""Faces: find, align, embed, mark with 68 landmarks and grade every face of every crawled photo.

A shard of data/crawl makes one shard of data/faces. Rejected faces stay as rows with their reason, and a photo without
a face has one row that says so, so that every photo is accounted for.
"""
