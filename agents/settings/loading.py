"""Finding an agent's class in a user's file.

It runs the file: it is the user's own code, named on the user's own command line, and
never something that came from a node or from evidence.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import FunctionType

from affiant.agents.agent import VerifiedAgent
from affiant.agents.errors import ConfigError


def load_agent_class(reference: str) -> type[VerifiedAgent]:
    """Return the `VerifiedAgent` subclass that `reference` names.

    Args:
        reference: `path/to/file.py:ClassName`; the class may be left out where the
            file defines exactly one.

    Raises:
        ConfigError: no such file or class, or the class is no agent.
    """
    path_text, _, name = reference.partition(":")
    path = Path(path_text)
    if not path.is_file():
        raise ConfigError("agent", got=f"no file {path}", expected="FILE.py:CLASS")
    spec = importlib.util.spec_from_file_location(f"affiant_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError("agent", got=str(path), expected="a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's file may raise anything
        raise ConfigError(
            str(path), got=f"{type(error).__name__}: {error}", expected="a module"
        ) from error
    defined = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, VerifiedAgent)
        and value.__module__ == module.__name__
    }
    if name and name in defined:
        return defined[name]
    if not name and len(defined) == 1:
        return next(iter(defined.values()))
    raise ConfigError(
        "agent",
        got=f"{name or 'no class name'} in {path}",
        expected=f"one of the agents defined there: {sorted(defined)}",
    )


def reference_to(agent_class: type[VerifiedAgent]) -> str:
    """Return the `FILE.py:CLASS` under which another process finds the class.

    By its functions: a file that was named on a command line is no module that
    `inspect` could ask.
    """
    own = [
        item for item in vars(agent_class).values() if isinstance(item, FunctionType)
    ]
    function = own[0] if own else agent_class.observe
    return f"{function.__code__.co_filename}:{agent_class.__name__}"
