"""Finding a model: a local folder as it is, or a hub id fetched into one.

Engines and commitments read the same folder. Which revision of a hub model is meant
must be said; what was fetched is judged by its commitment, not by its name.
"""

from __future__ import annotations

from pathlib import Path

from affiant.inference.errors import EngineUnavailableError, ModelFileMissingError

SKIPPED = ("*.bin", "*.pt", "*.pth", "*.h5", "*.msgpack", "*.gguf", "*.onnx*")
"""Weights in formats that no engine of ours reads; not fetched."""


def model_folder(model: str | Path, *, revision: str | None = None) -> Path:
    """Return the folder of `model`.

    Args:
        model: a folder, or a hub id such as `owner/name`.
        revision: commit of the hub repository; needed for a hub id.

    Raises:
        ModelFileMissingError: no such folder, or a hub id without a revision.
        EngineUnavailableError: the hub did not deliver it.
    """
    path = Path(model)
    if path.is_dir():
        return path.resolve()
    if revision is None:
        raise ModelFileMissingError(
            str(model), got="no such folder", expected="a folder, or an id and revision"
        )
    # Imported here: a local folder needs no hub client.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                str(model), revision=revision, ignore_patterns=list(SKIPPED)
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise EngineUnavailableError(
            "hub", got=str(error)[:200], expected=f"`{model}` at {revision}"
        ) from error
