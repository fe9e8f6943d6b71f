"""The wire of llama.cpp's own server, `llama-server`."""
