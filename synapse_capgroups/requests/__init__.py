"""Requests: people who wait until a moderator agrees that they come in (rule 13)."""
