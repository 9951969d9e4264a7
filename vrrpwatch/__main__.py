"""`python -m vrrpwatch`."""

from vrrpwatch.cli import main

if __name__ == "__main__":
    main()
