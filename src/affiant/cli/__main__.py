"""`python -m affiant.cli`."""

from affiant.cli.main import main

if __name__ == "__main__":
    main()
