"""Admission: one decision for all ways into a group."""
