"""Runs Synapse's own tests with this module loaded into every homeserver that they make."""
