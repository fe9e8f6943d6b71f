"""The Anthropic Messages wire: clients and clouds speak it."""
