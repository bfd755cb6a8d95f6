"""What is kept in process: as much as there is room for, and that which was used last."""

from collections import OrderedDict


class Recent[Key, Value]:
    """Values by their keys, up to so many bytes.

    Args:
        room: In bytes.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.used = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """What is kept under a key; it has been used then."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keeps a value, instead of what was kept under its key, and drops what was not used for longest.

        Args:
            key: What finds it.
            value: What to keep.
            size: Bytes that it takes, about.
        """
        if key in self._kept:
            self.used -= self._kept.pop(key)[1]
        self._kept[key] = value, size
        self.used += size
        while self.used > self.room:
            _, (_, freed) = self._kept.popitem(last=False)
            self.used -= freed
