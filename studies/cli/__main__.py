"""`python -m studies.cli` is `walkbench`."""

import sys

from studies.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
