"""Announcements: what an organiser writes once, and every group of a series gets (rule 12)."""
