"""`python -m codeio_assets.cli` is `codeio`."""

from codeio_assets.cli import main

if __name__ == "__main__":
    main()
