"""Whole chat answers (`wire.openai_chat.whole`)."""
