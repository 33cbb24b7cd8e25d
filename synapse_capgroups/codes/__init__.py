"""Join codes: made, entered, ended; their doors and pictures."""
