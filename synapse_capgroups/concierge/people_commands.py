"""The command about people: `remark`."""

from synapse_capgroups.concierge.asking import Answer, Asked, sorry
from synapse_capgroups.people.remarks import (
    NoSuchPersonError,
    NotAPersonError,
    RemarkError,
    Remarks,
)
from synapse_capgroups.words.lookup import Words


class PeopleCommands:
    """Remembers what people call others."""

    def __init__(self, remarks: Remarks, words: Words) -> None:
        self._remarks = remarks
        self._words = words

    def answers(self) -> dict[str, Answer]:
        """All commands about people, by their words."""
        return {"remark": self._remark}

    async def _remark(self, asked: Asked) -> str:
        other, _, name = asked.rest.partition(" ")
        name = name.strip()
        try:
            await self._remarks.set(asked.user_id, other, name)
        except NotAPersonError as e:
            raise sorry(self._words, "which_person") from e
        except NoSuchPersonError as e:
            raise sorry(self._words, "no_such_person", user=other) from e
        except RemarkError as e:
            raise sorry(self._words, "name_too_long") from e
        return self._words.say("remarked" if name else "unremarked", user=other, name=name)
