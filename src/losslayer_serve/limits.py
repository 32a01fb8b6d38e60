"""What one client, or all of them together, can make the service hold and do."""

from dataclasses import dataclass, fields

from losslayer_serve.errors import ArgumentError


@dataclass(frozen=True)
class Limits:
    """Caps of the service; each must be above 0.

    Attributes:
        body: Bytes of a request's body; more is refused with 413, unread.
        questions: Questions in one request.
        length: Characters of a question.
        top: Hits for each question.
        batch: Questions that are searched for at once, in one product.
        waiting: From so many waiting questions on, further ones are refused with 429.
        connections: Open connections; further ones get 429 and are closed.
        read_seconds: Time in which a request must have arrived; else 408.
        work_seconds: Time in which it must be answered from then on; else 503.
    """

    body: int = 128 * 1024
    questions: int = 32
    length: int = 1000
    top: int = 20
    batch: int = 16
    waiting: int = 32
    connections: int = 256
    read_seconds: float = 10
    work_seconds: float = 5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ArgumentError(
                    f"Limits: `{field.name}` must be above 0. Received: {field.name}={value!r}"
                )
