"""`python -m synapse_capgroups` is `capgroups`."""

import sys

from synapse_capgroups.cli import main

sys.exit(main())
