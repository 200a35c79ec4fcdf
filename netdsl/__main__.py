"""The entry point of the command `netdsl`, and of `python -m netdsl`."""

import gc
import os
import sys

try:
    from importlib import import_module

    from netdsl.process.stops import leave_on_stop
except KeyboardInterrupt:  # Control-C before there is a handler for it
    os.write(2, b"interrupted\n")
    os._exit(130)


def main() -> None:
    """Run the command; Control-C ends it at any time, even during imports."""
    leave_on_stop()
    gc.disable()  # imports leave no garbage; `cli.main` enables the collector again
    if "_ARGCOMPLETE" in os.environ:  # a shell completes a command line
        import_module("netdsl.commands.completion").complete()
    try:
        run = import_module("netdsl.cli").main
    except (ImportError, MemoryError, OSError) as error:  # no memory, or an incomplete installation
        sys.exit(f"netdsl: cannot start: {error or 'there is not enough memory'}")
    run()


if __name__ == "__main__":
    main()
