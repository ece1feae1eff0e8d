"""``python -m bench.submit``: score trial lists without labels and write the file that a challenge asks for."""

import sys

from bench.commands.submit import main

if __name__ == "__main__":
    sys.exit(main())
