"""Trains the stand-in image-text model."""
