"""The shared part of all methods: backbone, injection, data, training loop and sampler, each once."""
