"""Ollama's lines, read as events (`wire.ollama_chat.reader`)."""
