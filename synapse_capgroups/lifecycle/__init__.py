"""Background work: what happens at start and once a minute, and what is forgotten."""
