"""Which network a map was made with."""

import hashlib
import time
from pathlib import Path

from scenecode.core.errors import CheckpointError
from scenecode.core.version import __version__
from scenecode.networks.inference.combined import model_files
from scenecode.networks.prediction import Predictor
from scenecode.slam.config.files import config_text
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.mapfile.storage.records import MapMeta

#: What the name of a predictor of one's own begins with, in place of a network's.
OWN = "predictor "
#: Bytes that are read at a time.
_BLOCK = 1 << 20


def map_meta(config: SlamConfig, predictor: Predictor, fingerprint: str,
             model: str | None = None) -> MapMeta:
    """What a new map is made with: the network of a ``fingerprint``, whose name is the
    configuration's or ``model``."""
    now = time.time()
    return MapMeta(
        model=config.model if model is None else model, fingerprint=fingerprint,
        classes=predictor.classes,
        config=config_text(config, everything=True), width=predictor.width,
        height=predictor.height, version=__version__, created=now, updated=now)


def weights_fingerprint(path_or_name: str | Path | None = None) -> str:
    """SHA-256, as hexadecimal text, of the files that a model means
    (``scenecode.networks.inference.combined.model_files``).

    Raises ``CheckpointError`` where there are none.
    """
    digest = hashlib.sha256()
    for path in model_files(path_or_name):
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise CheckpointError(f"cannot read the weights {path}: {error.strerror or error}; "
                                  "check its permissions") from error
    return digest.hexdigest()


def predictor_fingerprint(predictor: Predictor) -> str:
    """The same of a predictor of one's own, which has no file: by its class, label set and image
    size alone."""
    kind = type(predictor)
    facts = (kind.__module__, kind.__qualname__, predictor.classes.names, predictor.width,
             predictor.height)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def predictor_name(predictor: Predictor) -> str:
    """Of a predictor of one's own, for ``map_meta``."""
    return f"{OWN}{type(predictor).__qualname__}"
