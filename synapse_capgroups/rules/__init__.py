"""The rules of the contract: facts in, verdict out.

Nothing in this folder imports Synapse, does I/O or knows the time. One file for each rule:

* `scope`: which rooms are groups (rule 0)
* `seclusion`: nobody can search for a group (rule 1)
* `joining`: who may join and who may invite, with the cap (rules 2 and 4)
* `friends`: who is a friend (rule 3)
* `codes`: when a join code is dead, and whom its door lets in (rule 5)
* `assignment`: who goes into which group of a series (rule 14)
* `power_levels`, `level_changes`, `federation`: what makes other servers keep the rules (rule 10)
* `verdict`: what all of them answer (rule 8)
"""
