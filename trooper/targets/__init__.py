"""Who can answer, and how each is asked: connections, legs, prompts, and the local models kept ready."""
