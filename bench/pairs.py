"""``python -m bench.pairs``: lists of hard pairs, training sets for models that answer pair questions, asking them."""

import sys

from bench.commands.pairs import main

if __name__ == "__main__":
    sys.exit(main())
