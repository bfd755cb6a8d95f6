"""Works off the imports that no request waits for."""

from typing import Any, Final

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.import_jobs import OvertakenError
from cryptopulse.domain.import_jobs import Task
from cryptopulse.errors import NotFoundError
from cryptopulse.telemetry import entrypoint, logger

TRIES: Final = 3
"""How often a message comes: the queue's maxReceiveCount."""


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Goes on with the jobs that the queue's messages name.

    A message whose job breaks off comes again; at its last try the job is told to have failed, and the message goes to
    the failures.
    """
    for record in event["Records"]:
        task = msgspec.json.decode(record["body"], type=Task)
        try:
            job = wiring.imports().resume(task.user, task.portfolio, task.job)
        except NotFoundError:
            logger.info("gone", user=task.user, job=task.job)  # with its account or portfolio
            continue
        except OvertakenError:
            raise
        except Exception:  # whatever it was: it is told, and raised again
            if int(record["attributes"]["ApproximateReceiveCount"]) >= TRIES:
                wiring.imports().give_up(task.user, task.portfolio, task.job)
            raise
        logger.info("imported", user=task.user, job=job.id, status=job.status, lines=job.lines, imported=job.imported)
