"""Numbers for Prometheus, in the registry that Synapse's own metrics listener serves.

`prometheus_client` comes with Synapse, which cannot run without it.
"""

from prometheus_client import Counter, Gauge, Histogram

from synapse_capgroups.rules.verdict import Reason

DECISIONS = Counter(
    "capgroups_decisions",
    "Decisions of the module, by what was decided and by the reason ('allowed' if nothing "
    "was against it)",
    ["decision", "reason"],
)
DECISION_SECONDS = Histogram(
    "capgroups_decision_seconds",
    "Time from a callback's start to its answer",
    ["decision"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
GROUPS = Gauge(
    "capgroups_groups",
    "Groups by mode as of each one's last decision; on the process that runs background tasks",
    ["mode"],
)
ERRORS = Counter(
    "capgroups_errors", "Decisions that broke and were answered with the safe answer", ["decision"]
)
LIMITED = Counter(
    "capgroups_limited",
    "Requests that were refused because they came too often, by the name of the limit",
    ["limit"],
)
REQUESTS = Counter(
    "capgroups_requests",
    "Requests of groups with approval, by what became of them: 'asked', 'approved', 'refused', "
    "'ended'",
    ["outcome"],
)
SERIES_GROUPS = Counter(
    "capgroups_series_groups",
    "Groups of series that the server made ('made'), or could not make ('not_made')",
    ["outcome"],
)
BREACHES = Counter(
    "capgroups_breaches",
    "Groups that were opened by somebody who stands above the rules, such as a server admin, by "
    "the reason why anybody else would have been refused",
    ["reason"],
)
REMOTE_SEATS = Gauge(
    "capgroups_remote_seats",
    "Seats that invitations of people of other servers hold until they are answered; on the "
    "process that runs background tasks",
)
WITHDRAWN = Counter(
    "capgroups_withdrawn",
    "People of other servers whose invitation was taken back, or who were removed, by the reason",
    ["reason"],
)
PUT_RIGHT = Counter(
    "capgroups_put_right",
    "Changes from other servers that broke a rule and were undone ('yes'), or could not be ('no')",
    ["done"],
)
ANNOUNCED = Counter(
    "capgroups_announced",
    "Copies of announcements by what became of them: 'delivered', 'deleted', or the reason why not",
    ["outcome"],
)
ASSIGNED = Counter(
    "capgroups_assigned",
    "People of assignments that were applied: 'placed', or 'not_placed'",
    ["outcome"],
)
# What alerts ask for is there from the start: Prometheus sees no increase where nothing was before.
SERIES_GROUPS.labels("not_made")
ANNOUNCED.labels("broken")
WITHDRAWN.labels(Reason.REMOTE_NO_INVITE.value)
PUT_RIGHT.labels("yes")
PUT_RIGHT.labels("no")
FORGOTTEN = Counter(
    "capgroups_forgotten",
    "What was forgotten: 'admissions' older than record.keep, 'accounts' that were erased or named "
    "by a server admin, 'rooms' that were deleted, and 'direct_chats' on record",
    ["what"],
)
