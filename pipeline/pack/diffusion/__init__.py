"""Trains the stand-in autoencoder and diffusion backbone."""
