"""``python -m bench.leaderboard``: see ``bench.leaderboard.cli``."""

import sys

from bench.leaderboard.cli import main

if __name__ == "__main__":
    sys.exit(main())
