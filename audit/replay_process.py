"""A model in a process of its own, which can be killed: no replay holds up an endorser.

It decides how long a replay may take. What takes longer (an engine that hangs, a prompt
that explodes) ends with the process, is said to be unavailable, and the next replay
begins a new process. The child takes hostile tokens and has no key and no chain; it is
trusted for its verdicts as the engine in it is. On a restart it must have the same
model and the same profile as before.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.replay_engines import ReplayLimits
from affiant.audit.replayer import FolderReplayer
from affiant.encoding import Digest
from affiant.errors import AffiantError, RejectedError
from affiant.inference.load import EngineName
from affiant.inference.manifest import EngineManifest

if TYPE_CHECKING:
    from affiant.inference.profile import Profile
    from affiant.inference.replay import ReplayVerdict, SwornInference

REPLAY_SECONDS = 60.0
"""Longest time for one replay, or for tokenising one prompt."""

START_SECONDS = 600.0
"""Longest time for loading the model."""


class _Child:
    """The process, and the line to it."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None
    ) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=None if environment is None else dict(environment),
                pass_fds=[theirs.fileno()],
                # A group of its own: killed whole, and not by a terminal's interrupt.
                start_new_session=True,
            )
        self.line = Connection(ours.detach())

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill what is left of it; return its exit status."""
        self.kill()
        self.line.close()
        return self.process.wait()


class ReplayProcess:
    """One engine over one model folder; see `affiant.audit.replayer.Replayer`."""

    def __init__(
        self,
        folder: str | Path,
        *,
        engine: EngineName,
        dtype: str | None = None,
        limits: ReplayLimits | None = None,
        replay_seconds: float = REPLAY_SECONDS,
        start_seconds: float = START_SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process, which commits to the folder and loads it.

        Args:
            folder: the endorser's own copy of the model.
            engine: which engine replays; its profile is the only one replayed in.
            dtype: float32 on a CPU and bfloat16 on a GPU where not given.
            limits: what a replay is given.
            replay_seconds: longest time for one replay.
            start_seconds: longest time for loading the model.
            environment: the process's variables; None: this one's.

        Raises:
            AuditUnavailableError: the folder cannot be committed to, the engine does
                not load, or not in time.
        """
        module = "affiant.audit.replay_process"
        self._command = (
            *(sys.executable, "-m", module),
            *(str(folder), engine, dtype or ""),
            json.dumps(asdict(limits or ReplayLimits())),
        )
        self._environment = environment
        self._replay_seconds = replay_seconds
        self._start_seconds = start_seconds
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._closed = False
        self._root, self._manifest = self._start()

    @property
    def root(self) -> Digest:
        """Root of the folder's commitment."""
        return self._root

    @property
    def manifest(self) -> EngineManifest:
        """What is replayed exactly."""
        return self._manifest

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """None: it replays exactly or not at all."""
        return ()

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`."""
        ids: list[int] = self._ask("encode", text)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        text: str = self._ask("decode", list(ids))
        return text

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int] | None:
        """Return the ids of chat messages; None without a chat template."""
        ids: list[int] | None = self._ask("chat", list(messages))
        return ids

    def replay(
        self, sworn: SwornInference, *, manifest: EngineManifest
    ) -> ReplayVerdict:
        """Replay in the same profile, within the time limit.

        Raises:
            AuditUnavailableError: another model or profile, no answer in time, or the
                process ended.
            AuditRejectedError: the inference is not what the receipt swears.
        """
        verdict: ReplayVerdict = self._ask("replay", sworn, manifest)
        return verdict

    def close(self) -> None:
        """End the process; a replay in progress ends as unavailable."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._lock:
            self._drop()

    def _ask(self, name: str, *arguments: object) -> Any:
        with self._lock:
            if self._child is None:
                again = self._start()
                if again != (self._root, self._manifest):
                    self._drop()
                    raise AuditUnavailableError(
                        "replay process",
                        reason="the model folder or the engine is not what it was",
                    )
            answer = self._exchange((name, arguments), limit=self._replay_seconds)
        return _opened(answer)

    def _start(self) -> tuple[Digest, EngineManifest]:
        if self._closed:
            raise AuditUnavailableError("replay process", reason="it was closed")
        self._child = _Child(self._command, environment=self._environment)
        try:
            root, manifest = _opened(
                self._exchange(("start", ()), limit=self._start_seconds)
            )
        except BaseException:
            self._drop()
            raise
        return root, manifest

    def _exchange(self, message: object, *, limit: float) -> Any:
        """Send and receive within `limit` seconds, or end the process."""
        child = self._child
        assert child is not None  # started by whoever calls
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        watch = threading.Timer(limit, stop)
        watch.daemon = True
        watch.start()
        answer: Any = None
        try:
            child.line.send(message)
            answer = child.line.recv()
        except (EOFError, OSError):
            pass
        finally:
            watch.cancel()
            watch.join()
        if answer is None or late.is_set():
            status = self._drop()
        if answer is None:
            raise AuditUnavailableError(
                "replay process",
                reason=f"no answer within {limit:g} s"
                if late.is_set()
                else f"it ended with status {status}",
            )
        return answer

    def _drop(self) -> int | None:
        child, self._child = self._child, None
        return None if child is None else child.end()


def _opened(answer: Any) -> Any:
    """Return what the child says, or raise what it could not do."""
    kind, *rest = answer
    if kind == "done":
        return rest[0]
    if kind == "rejected":
        what, got, expected = rest
        raise AuditRejectedError(what, got=got, expected=expected)
    if kind == "unavailable":
        what, reason = rest
        raise AuditUnavailableError(what, reason=reason)
    raise RuntimeError(f"the replay process failed with {rest}")


def _answer(do: Callable[[], object]) -> tuple[object, ...]:
    """Return what `do` returns or raises, as values that can be sent."""
    try:
        return ("done", do())
    except RejectedError as error:
        told = [getattr(error, name, None) for name in ("what", "got", "expected")]
        if None in told:
            told = [type(error).__name__, str(error), "none"]
        return ("rejected", *(str(part)[:4000] for part in told))
    except MemoryError as error:
        # Whoever asked is not told that we are at fault: another may be smaller.
        return ("unavailable", "replay", f"out of memory: {error}"[:1000])
    except AffiantError as error:
        what = str(getattr(error, "what", type(error).__name__))
        return ("unavailable", what, str(getattr(error, "reason", error))[:1000])
    except Exception as error:
        return ("failed", type(error).__name__, str(error)[:1000])


def serve(
    line: Connection,
    *,
    folder: str,
    engine: EngineName,
    dtype: str,
    limits: ReplayLimits,
) -> None:
    """Answer questions until the other end closes the line: the child's whole life."""
    replayer: FolderReplayer | None = None
    own: EngineManifest | None = None

    def start() -> tuple[Digest, EngineManifest]:
        nonlocal replayer, own
        replayer = FolderReplayer(folder, engine="same", limits=limits)
        own = replayer.prepare(engine, dtype=dtype or None)
        return replayer.root, own

    def do(name: str, arguments: tuple[Any, ...]) -> object:
        if name == "start":
            return start()
        if replayer is None:
            raise RuntimeError(f"asked for `{name}` before the start")
        if name == "replay":
            sworn, manifest = arguments
            if manifest != own:
                # The engine at hand is not given up for what a stranger names.
                raise AuditUnavailableError(
                    "replay in the same profile", reason="this process's is another"
                )
            return replayer.replay(sworn, manifest=manifest)
        methods: Mapping[str, Callable[..., object]] = {
            "encode": replayer.encode,
            "decode": replayer.decode,
            "chat": replayer.chat,
        }
        return methods[name](*arguments)

    with suppress(EOFError, OSError):
        while True:
            name, arguments = line.recv()
            line.send(_answer(partial(do, name, arguments)))


def main(arguments: Sequence[str]) -> None:
    """Serve on the socket of the given number."""
    folder, engine, dtype, limits, number = arguments
    with Connection(int(number)) as line:
        serve(
            line,
            folder=folder,
            engine="vllm" if engine == "vllm" else "transformers",
            dtype=dtype,
            limits=ReplayLimits(**json.loads(limits)),
        )
    # An engine's threads must not outlive whom they worked for.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
