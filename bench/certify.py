"""``python -m bench.certify ENCODER``: one line for each check; exits 1 unless all of them pass."""

import sys

from bench.commands.certify import main

if __name__ == "__main__":
    sys.exit(main())
