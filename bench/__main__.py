"""`python -m bench` is `nimbench`."""

from bench.cli import main

if __name__ == "__main__":
    main()
