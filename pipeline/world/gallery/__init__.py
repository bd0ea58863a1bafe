"""The drawn world's gallery web site."""
