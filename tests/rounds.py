"""How often the races of full size are run.

Each once, which is what belongs to every change. `CAPGROUPS_ROUNDS=10` runs them ten times in a
row, and those that are about many rounds or minutes in their whole length: for some hours, before a
release and after a change of what they are about.
"""

import os

ROUNDS = int(os.environ.get("CAPGROUPS_ROUNDS", "1"))
IN_FULL = ROUNDS > 1
