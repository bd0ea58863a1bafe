"""Encoders of images, faces and text that stages and methods share."""
