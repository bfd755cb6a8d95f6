"""What is kept of a news feed between two askings."""

from msgspec import Struct


class State(Struct, frozen=True):
    """What a feed's next asking starts from; at first all of it is the default."""

    etag: str = ""
    """The `ETag` of what was read last."""
    last_modified: str = ""
    """Likewise, as the feed wrote it."""
    until: int = 0
    """Unix ms before which it must not be asked: by its own word, or by our budget of calls."""
