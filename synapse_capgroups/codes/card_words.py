"""What stands on the picture of a join code."""

import attrs


@attrs.frozen
class Card:
    """What a card says, in its reader's language. `shared_by` and `valid_until` are sentences."""

    url: str
    group: str
    sharer: str
    valid_until: str
    shared_by: str
