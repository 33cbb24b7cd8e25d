"""What the module costs, as ratios to the same homeserver without it: `python -m benchmarks`.

No time is asserted here. The tables are written to docs/performance.md; data, plots and query
plans to benchmarks/results/.

`--beside` takes another checkout, whose module is measured in the same run: it says whether the
module got dearer.

* `measuring`: CPU seconds and latency of operations, on several servers in turn
* `servers`, `engines`: homeservers on copies of one database, PostgreSQL or SQLite
* `checkouts`: whose module a server runs
* `messages`, `members`, `remote`, `account`, `decisions`, `memory`, `scans`,
  `previews`: the figures
* `results`, `report`, `plots`, `machine`: what is written, and about which machine
"""
