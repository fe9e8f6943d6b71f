"""Requests as Ollama's strict decoder takes them (`wire.ollama_chat.request`)."""
