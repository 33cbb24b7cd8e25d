"""The module's own tables, all of them named `capgroups_…`, in Synapse's database.

* `database`: transactions, locks and the schema
* `seats`: seats reserved for joins under way, and the count of taken seats (rule 4)
* `admissions`: who came in how and by whom
* `codes`: join codes, their uses, and who is at their doors (rule 5)
* `chats`: the rooms in which the concierge talks to people
* `groups`: the groups that were seen, with their mode
"""
