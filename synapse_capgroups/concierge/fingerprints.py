"""Which room IDs belong to a very large set, in a few bytes for each. No Synapse, no I/O."""

_ENTRY = 4  # bytes
_FIRST = 9
"""From how many bits of a fingerprint its first bucket follows: there are 512 at the beginning."""
_IN_A_BUCKET = 192
BITS = 8 * _ENTRY + _FIRST


class Fingerprints:
    """A set that only grows, and may hold what was never added, by rare chance.

    Of each text, 41 bits of its hash are kept, and 9 of these by the place. Among a million, one of
    2.2 million other texts seems to be there, and among ten million one of 220,000. Python's hash
    of a text differs in each process and cannot be foreseen, so nobody can choose such a text.
    Nothing can be taken out: two that were added may have one fingerprint.

    There is always a bucket for 192 of them. Adding one copies its bucket, and divides another in
    two when it is time for one more: some microseconds, however many there are.
    """

    def __init__(self, bits: int = BITS) -> None:
        """
        Args:
            bits: how many of the hash are looked at; with fewer, chance is less rare.
        """
        self._mask = (1 << bits) - 1
        self._buckets = [b""] * (1 << _FIRST)
        self._undivided = len(self._buckets)  # the last power of two that their number has passed
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __contains__(self, text: str) -> bool:
        bucket, entry = self._place(text)
        return _has(self._buckets[bucket], entry)

    def add(self, text: str) -> None:
        """Add a text; nothing changes if it seems to be there."""
        bucket, entry = self._place(text)
        kept = self._buckets[bucket]
        if not _has(kept, entry):
            self._buckets[bucket] = kept + entry
            self._number += 1
            if self._number > _IN_A_BUCKET * len(self._buckets):
                self._divide()

    def _place(self, text: str) -> tuple[int, bytes]:
        """The bucket of a text, and what is kept of it there."""
        fingerprint = hash(text) & self._mask
        bucket = fingerprint % (2 * self._undivided)
        if bucket >= len(self._buckets):  # It has not been divided off yet.
            bucket -= self._undivided
        return bucket, (fingerprint >> _FIRST).to_bytes(_ENTRY, "little")

    def _divide(self) -> None:
        """Divide the next bucket in turn by one more bit of its fingerprints (linear hashing)."""
        turn = len(self._buckets) - self._undivided
        bit = self._undivided >> _FIRST
        kept = self._buckets[turn]
        entries = [kept[at : at + _ENTRY] for at in range(0, len(kept), _ENTRY)]
        goes = [bool(int.from_bytes(entry, "little") & bit) for entry in entries]
        pairs = list(zip(entries, goes, strict=True))
        self._buckets[turn] = b"".join(entry for entry, is_going in pairs if not is_going)
        self._buckets.append(b"".join(entry for entry, is_going in pairs if is_going))
        if len(self._buckets) == 2 * self._undivided:
            self._undivided *= 2


def _has(kept: bytes, entry: bytes) -> bool:
    place = kept.find(entry)
    while place % _ENTRY:  # Between two entries; -1 % 4 is 3.
        if place < 0:
            return False
        place = kept.find(entry, place + 1)
    return True
