"""What is told about requests: frozen reports, and the log that writes them."""
