"""Chat requests, read leniently (`wire.openai_chat.request`)."""
