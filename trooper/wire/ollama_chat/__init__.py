"""Ollama's native chat wire: requests, events, and what its models can do."""
