"""`python -m trooper`."""

from trooper.cli import main

if __name__ == "__main__":
    main()
