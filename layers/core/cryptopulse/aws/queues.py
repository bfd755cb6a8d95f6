"""Queues: work that a request or a stream does not wait for."""

from cryptopulse.aws.client import Client


class Queue:
    """Sends to one SQS queue; what it holds comes at least once.

    Args:
        client: Calls SQS.
        url: The queue's.
    """

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, body: str, *, delay: int = 0) -> None:
        """Puts a message.

        Args:
            body: At most 256 KB.
            delay: Seconds until it comes, at most 900.

        Raises:
            ServiceError: The queue refused it.
        """
        self._client.call("SendMessage", {"QueueUrl": self._url, "MessageBody": body, "DelaySeconds": delay})
