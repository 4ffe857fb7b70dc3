"""``python -m mmlego``: the command line where its script is not on the path."""

from mmlego.cli import main

if __name__ == "__main__":
    main()
