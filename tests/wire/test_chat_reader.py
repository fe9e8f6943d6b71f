"""OpenAI chat streams, read event by event and cut everywhere (`wire.openai_chat.reader`)."""
