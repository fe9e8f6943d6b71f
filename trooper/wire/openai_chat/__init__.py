"""The OpenAI chat completions wire: requests, events, and the voice that speaks it."""
