"""What Synapse asks the module: one file for each question."""
