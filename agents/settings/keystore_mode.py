"""Who else may read a keystore file.

It decides only what is worth a warning: the file is encrypted, and its password is what
protects it; but nobody else needs it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def loose_permissions(path: str | Path) -> str | None:
    """Return what is wrong with the permissions of a keystore file, or None.

    None also where it cannot be looked at: opening it says why.
    """
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None
    if os.name != "posix" or not mode & 0o077:
        return None
    return f"{path}: got mode {mode:04o}, expected 0600: run `chmod 600` on it"
