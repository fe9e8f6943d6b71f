"""The one speaker towards the client (`wire.openai_chat.voice`)."""
