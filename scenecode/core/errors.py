"""One root for every error that a user can cause and cure; only the command line catches it."""


class ScenecodeError(Exception):
    """An expected failure.  The message names the file or value, the rule, and the cure."""


class ConfigError(ScenecodeError):
    """A configuration with a missing, unknown or impossible value."""


class DataError(ScenecodeError):
    """A data set, an image or a file of labels that is missing or malformed."""


class SourceError(ScenecodeError):
    """A camera, video or sequence that cannot be opened."""


class CalibrationError(ScenecodeError):
    """A camera that cannot be calibrated from the images at hand."""


class CheckpointError(ScenecodeError):
    """Weights that are missing, truncated or made for another model."""


class PredictionError(ScenecodeError):
    """An answer of a network that no map can be made of."""


class ResultError(ScenecodeError):
    """A result folder, a map or a trajectory that cannot be read or written."""


class CorrectionError(ScenecodeError):
    """A correction of labels that cannot be made, undone or found."""
