"""What is known of the programs that people put behind Trooper: how each is started, and how each is told where it is."""
