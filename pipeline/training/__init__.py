"""The one training loop, its data, and what runs it on one process or many."""
