"""`python -m trooper`."""

from trooper.commands.cli import main

if __name__ == "__main__":
    main()
