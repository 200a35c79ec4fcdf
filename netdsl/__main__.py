"""`python -m netdsl`."""

from netdsl.cli import main

if __name__ == "__main__":
    main()
