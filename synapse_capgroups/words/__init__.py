"""Everything that a person can read."""
