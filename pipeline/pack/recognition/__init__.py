"""Trains the stand-in detector, landmark model and recognisers."""
