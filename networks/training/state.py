"""The state of an unfinished training run on disk."""

import pickle
import zipfile
from pathlib import Path

import torch

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import CheckpointError

#: What every state holds.
KEYS = ("config", "minutes", "epoch", "batch", "sums", "model", "averaged", "objective",
        "optimiser")


def save_state(path: Path, state: dict) -> None:
    """Write tensors, numbers and text, atomically; raises ``ResultError`` when the file system
    refuses."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, config: dict) -> dict:
    """Read a state that was made with ``config``, without running any code in it.

    Raises ``CheckpointError`` when it is missing, truncated or of another configuration.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: nothing to resume; start without --resume") from error
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile,
            pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: truncated or no training state ({error}); "
                              "start again without --resume") from error
    if not isinstance(state, dict) or any(key not in state for key in KEYS):
        raise CheckpointError(f"{path}: no training state of this version; start again without "
                              "--resume, perhaps from its weights (start_from)")
    changed = [key for key in config if state["config"].get(key) != config[key]]
    if changed:
        raise CheckpointError(f"{path}: was made with another configuration (different: "
                              f"{', '.join(changed)}); resume with the config.yaml next to it")
    return state
