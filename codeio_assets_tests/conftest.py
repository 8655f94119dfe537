"""What holds for all tests: signals as in a terminal, wherever the run was started."""

import signal


def pytest_configure() -> None:
    """Hear SIGINT even where a background shell had it ignored.

    Every process that a test starts would inherit that, and dagster, which gives SIGTERM whatever SIGINT has, would
    make this process and those deaf to both.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
