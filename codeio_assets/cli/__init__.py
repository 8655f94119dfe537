"""The command line: thin verbs over the engines and the graph. What they do lives in the rooms that they call."""


def main() -> None:
    """Run the command line; everything else is imported when it is called."""
    from codeio_assets.cli.app import main

    main()
