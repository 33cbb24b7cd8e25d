"""A fuzzer for the rules: random people on a real server, and a small model of what they may do."""
