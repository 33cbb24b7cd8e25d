"""What the module costs, as ratios to the same homeserver without it: `python -m benchmarks`.

Nothing here asserts a time. The results are written to docs/performance.md, with plots.

* `measuring`: CPU seconds and latency of operations, on several servers in turn
* `servers`, `engines`: homeservers on copies of one database, PostgreSQL or SQLite
* `messages`, `members`, `account`, `decisions`, `memory`, `scans`, `previews`: the figures
* `results`, `report`, `plots`, `machine`: what is written, and about which machine
"""
