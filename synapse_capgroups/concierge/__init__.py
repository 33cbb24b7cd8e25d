"""The concierge: the module's account, which talks to people."""
