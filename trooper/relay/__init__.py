"""One request: how it came, who is asked what, what of their answers goes out, and how it ends."""
