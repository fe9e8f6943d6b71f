"""The programs that people put in front of Trooper: what each is told, and where."""
