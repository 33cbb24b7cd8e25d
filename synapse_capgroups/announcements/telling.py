"""What organisers are told of their announcements: the keys of the sentences."""

from synapse_capgroups.rules.announcements import AnnouncementProblem, Beside, Undelivered

PROBLEMS = {
    AnnouncementProblem.EMPTY: "announce_empty",
    AnnouncementProblem.TOO_LONG: "announce_too_long",
    AnnouncementProblem.MALFORMED: "announce_malformed",
    AnnouncementProblem.ENCRYPTED_FILE: "announce_encrypted_file",
    AnnouncementProblem.SERIES_ENDED: "announce_series_ended",
    AnnouncementProblem.NO_GROUPS: "announce_no_groups",
    AnnouncementProblem.TOO_MANY: "announce_too_many",
    AnnouncementProblem.TOO_MANY_EDITS: "announce_too_many_edits",
    AnnouncementProblem.NOT_AUTHOR: "announce_not_author",
    AnnouncementProblem.DELETED: "announce_deleted",
    AnnouncementProblem.SUSPENDED: "announce_suspended",
}
"""Why something cannot be announced."""

REASONS = {
    Undelivered.NOT_MEMBER: "undelivered_not_member",
    Undelivered.NO_POWER: "undelivered_no_power",
    Undelivered.SUSPENDED: "undelivered_suspended",
    Undelivered.DEACTIVATED: "undelivered_deactivated",
    Undelivered.NOT_ORGANISER: "undelivered_not_organiser",
    Undelivered.NOT_IN_SERIES: "undelivered_not_in_series",
    Undelivered.REFUSED: "undelivered_refused",
    Undelivered.BROKEN: "undelivered_broken",
    Undelivered.UNKNOWN: "undelivered_unknown",
    Beside.NOT_PINNED: "undelivered_not_pinned",
    Beside.NOT_NOTIFIED: "undelivered_not_notified",
}
"""Why a copy is not in its group, or what is missing there."""
