"""The command `netdsl`, and `python -m netdsl`."""

import sys
from importlib import import_module

from netdsl.process.stops import leave_on_stop


def main() -> None:
    """Run the command; Control-C ends it from the first moment, even during imports."""
    leave_on_stop()
    try:
        run = import_module("netdsl.cli").main
    except (ImportError, MemoryError, OSError) as error:  # no memory, or an incomplete installation
        sys.exit(f"netdsl: cannot start: {error or 'there is not enough memory'}")
    run()


if __name__ == "__main__":
    main()
