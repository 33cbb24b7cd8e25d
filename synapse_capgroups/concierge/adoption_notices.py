"""Tells the owners of a room from before what changes in it, in their chat with the concierge."""

from synapse_capgroups.concierge.chats import ConciergeChats


class AdoptionNotices:
    """Writes to people who have not asked, when a server admin adopts their room."""

    def __init__(self, chats: ConciergeChats) -> None:
        self._chats = chats

    async def tell(self, user_id: str, text: str) -> bool:
        """Write to a local person, in a chat that is opened if they have none.

        Returns:
            False if they do not want one.
        """
        chat = await self._chats.room_of(user_id)
        if chat is None:
            return False
        await self._chats.say(chat, text)
        return True
