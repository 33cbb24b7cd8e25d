"""A real Synapse on loopback, people who talk to it over HTTP, and a story told with both.

The tests use the same server and the same people.
"""
