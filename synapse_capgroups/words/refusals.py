"""Every sentence that a person can read, keyed by reason.

A refusal is read by one of four people: the one who joins, a member who invites, one who shares a
join code, and the one who creates a room. Where they must be told different things there is a
sentence for each.
"""

from synapse_capgroups.rules.verdict import Reason, Refusal

_CONTACT = {
    Reason.CONTACT_REQUIRED: (
        "First add and verify an e-mail address or phone number in your account's settings. Nobody "
        "else will see it."
    ),
}

_DEAD_CODES = {
    Reason.CODE_EXPIRED: (
        "This join code has expired. Ask the person who gave it to you for a new one."
    ),
    Reason.CODE_USED_UP: (
        "This join code has been used as often as it may be. Ask the person who gave it to you "
        "for a new one."
    ),
    Reason.CODE_REVOKED: (
        "This join code was withdrawn. Ask the person who gave it to you for a new one, or a "
        "member of the group for an invitation."
    ),
    Reason.CODE_CLOSED: (
        "The group has grown too large for join codes. Ask a friend who is in it for an invitation."
    ),
    Reason.SUSPENDED: (
        "The account that shared this join code is suspended. Ask another member of the group for "
        "an invitation or a new code."
    ),
}

_CONCIERGES = {
    Reason.CONCIERGE_CHAT: (
        "This room is for one person and this server's account for groups. Nobody else can come "
        "in; to talk to that account, start a chat with it yourself."
    ),
    Reason.CONCIERGE_OUTSIDE: (
        "This account joins no room but those that it makes. To talk to it, start a chat with it, "
        "and it invites you to one."
    ),
}

JOINING = {
    **_CONTACT,
    **_CONCIERGES,
    **_DEAD_CODES,
    Reason.FULL: "This group has all its {limit} members. Someone must leave before you can join.",
    Reason.INVITE_REQUIRED: (
        "This group is invitation-only. Ask a member for an invitation or a join code."
    ),
    Reason.FRIENDS_ONLY: (
        "This group has {limit} members or more: only a friend who is in it can invite you. Start "
        "a direct chat with a member you know and ask them for an invitation."
    ),
    Reason.VOUCH_LIMIT: (
        "The member who invited you has brought in as many people today as this server allows. "
        "Try again tomorrow, or ask another friend who is in the group."
    ),
    Reason.INVITATIONS_BLOCKED: (
        "In your settings you block invitations, and whoever scans a join code is invited. Allow "
        "invitations in your settings, then scan the code again."
    ),
    Reason.BANNED: "You are banned from this group. Only its admins can change that.",
    Reason.NO_GUESTS: "Guests cannot be in groups. Create an account first.",
    Reason.UNDECIDED: (
        "This server could not check whether you may join. Try again in a minute; if it stays "
        "so, tell the server's admin."
    ),
}

INVITING = {
    **_CONCIERGES,
    Reason.FULL: "This group has all its {limit} members. Someone must leave before you invite.",
    Reason.FRIENDS_ONLY: (
        "This group has {limit} members or more: you can invite only your friends. Start a direct "
        "chat with this person first; once both of you have joined it, invite them here."
    ),
    Reason.VOUCH_LIMIT: (
        "You have brought in as many people today as this server allows. Try again tomorrow, or "
        "ask another friend of theirs who is in the group."
    ),
    Reason.BANNED: "This person is banned from this group. Unban them before you invite them.",
    Reason.NO_GUESTS: "Guests cannot be in groups. Ask this person to create an account first.",
    Reason.UNDECIDED: (
        "This server could not check whether you may invite this person. Try again in a minute; "
        "if it stays so, tell the server's admin."
    ),
}

SHARING = {
    Reason.NOT_ENTITLED: (
        "Only members who may make join codes in this group can do that. Ask one of its admins."
    ),
    Reason.CODE_CLOSED: (
        "This group has {limit} members or more: there are no join codes any more. Members can "
        "invite their friends."
    ),
    Reason.CODE_REVOKED: (
        "This group was replaced by a new one, and has no join codes any more. Make the code in "
        "the new group."
    ),
    Reason.SUSPENDED: "Making join codes while your account is suspended is not allowed.",
    Reason.TOO_MANY_CODES: ("You have too many living join codes in this group. Revoke one first."),
}

CREATING = {
    **_CONTACT,
    Reason.FULL: (
        "A group can have at most {limit} members, and this would make {members}. Invite fewer "
        "people."
    ),
    Reason.NO_GUESTS: "Guests cannot be in groups. Invite people who have an account.",
    Reason.NOT_LISTED: (
        "This server lists no groups, so nobody can search for them. Share a join code instead."
    ),
    Reason.NO_PUBLIC_ROOMS: (
        "Groups here are invitation-only and nobody can read them from outside. Share a join code "
        "instead."
    ),
    Reason.NO_ADDRESSES: "Groups here have no address. Share a join code instead.",
    Reason.UNDECIDED: (
        "This server could not check whether this is allowed. Try again in a minute; if it stays "
        "so, tell the server's admin."
    ),
}


ADDRESSING_A_DOOR = {
    Reason.NO_ADDRESSES: (
        "The door of a join code has one address, which is the code. Nobody can give it another."
    ),
}

ADDRESSING_LIKE_A_CODE = {
    Reason.NO_ADDRESSES: (
        "Addresses of this form are for join codes alone. Choose one that does not begin with #j-."
    ),
}
SPACES = "Spaces count as groups here unless the server's admin sets `exempt.spaces: true`."


def sentence(refusal: Refusal, audience: dict[Reason, str]) -> str:
    """The sentence that this reader is told, with the refusal's numbers filled in."""
    said = audience[refusal.reason].format(limit=refusal.limit, members=refusal.members)
    return f"{said} {SPACES}" if refusal.of_space else said
