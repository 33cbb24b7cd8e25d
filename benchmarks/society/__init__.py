"""`python -m benchmarks society`: what the rules do to people, simulated.

No server runs. People, their friends and their wishes are made up (`guesses`); who comes into a
group is not: every admission and every refusal is an answer of `synapse_capgroups.rules`
(`judge`).
"""
