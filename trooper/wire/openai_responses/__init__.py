"""The OpenAI Responses wire: clients and clouds speak it."""
