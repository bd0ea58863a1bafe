"""Shapes: the 3D head fitted to landmarks, one shape per identity."""
