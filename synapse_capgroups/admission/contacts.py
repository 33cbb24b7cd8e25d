"""Verified contacts: the e-mail address or phone number that a server may ask for."""

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_capgroups.inside.tables.users import Users
from synapse_capgroups.rules.verdict import ALLOWED, Reason, Refusal, Verdict
from synapse_capgroups.storage.database import Database


class Contacts:
    """Tells who has the verified contact that `verified_contact` asks for."""

    def __init__(self, api: ModuleApi, database: Database, required: str) -> None:
        """
        Args:
            required: `verified_contact` of the configuration.
        """
        self._api = api
        self._database = database
        self._required = required

    async def creation(self, creator: str) -> Verdict:
        """Decide whether somebody may create groups at all."""

        def decide(txn: LoggingTransaction) -> Verdict:
            has_contact = self.has_contact(txn, creator)
            return ALLOWED if has_contact else Refusal(Reason.CONTACT_REQUIRED)

        if self._required == "none":
            return ALLOWED
        return await self._database.run("creation", decide)

    def has_contact(self, txn: LoggingTransaction, user_id: str) -> bool:
        """Whether somebody has the required contact.

        True for a person of another server: this server cannot know.
        """
        if self._required == "none" or not self._api.is_mine(user_id):
            return True
        contacts = Users.verified_contacts(txn, user_id)
        return bool(contacts) if self._required == "any" else self._required in contacts
