"""The `affiant` command: parse, call one function, print.

Results go to stdout (`--json` is stable), progress and errors to stderr. Exit status: 0
accepted, 1 rejected, 2 misuse, 3 unavailable. It decides nothing itself, and no command
takes a private key: keys come from keystore files, passwords from the environment.
Imports are made inside the commands, so that `--help` needs neither torch nor a chain.
One module per group of commands; `main` puts them together.
"""

from __future__ import annotations

from affiant.cli.main import app, main

__all__ = ["app", "main"]
