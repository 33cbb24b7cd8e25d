"""Programs for people, which talk HTTP to a homeserver and need nothing of Synapse."""
