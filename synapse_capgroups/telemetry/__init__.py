"""The journal, the metrics, and what must never be logged."""
