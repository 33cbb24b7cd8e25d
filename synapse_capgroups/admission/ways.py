"""The ways into a group."""

import attrs

from synapse_capgroups.storage.codes import Code


@attrs.frozen
class ByInvitation:
    """Somebody joins the group itself.

    Attributes:
        is_invited: whether they are invited, as far as this process knows.
    """

    is_invited: bool


@attrs.frozen
class ByCode:
    """Somebody enters by a join code.

    Attributes:
        sharer_may_share: whether the code's sharer has the power to make codes, if a member.
        invites: whether the person is only invited now, and is judged again when they join.
        inviter: in whose name they come in; None is the sharer.
    """

    code: Code
    sharer_may_share: bool
    invites: bool = False
    inviter: str | None = None


@attrs.frozen
class ByLiveCode:
    """Somebody enters a series, by a code that opens its groups one after another.

    Attributes:
        invites: whether the person is only invited now, and is judged again when they join.
    """

    code: Code
    invites: bool = False


Way = ByInvitation | ByCode
