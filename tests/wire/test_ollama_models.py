"""What an Ollama server's models can do, read off its answers (`wire.ollama_chat.models`)."""
