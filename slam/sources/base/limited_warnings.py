"""Warnings of one kind, of which the first few are logged and the others counted."""

import logging


class LimitedWarnings:
    """``warn`` logs until ``limit`` is reached; ``finish`` says how many more there were."""

    def __init__(self, logger: logging.Logger, limit: int, summary: str):
        """``summary`` has a ``%d`` for the number of all warnings."""
        self.count = 0
        self._logger = logger
        self._limit = limit
        self._summary = summary

    def warn(self, message: str, *values: object) -> None:
        """A warning, formatted as ``logging`` does."""
        self.count += 1
        if self.count <= self._limit:
            self._logger.warning(message, *values)

    def finish(self) -> None:
        """Log the summary if not every warning was logged."""
        if self.count > self._limit:
            self._logger.warning(self._summary, self.count)
