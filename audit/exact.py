"""Only exact replays count, where somebody is about to sign for what was replayed.

It decides that whatever is not *exact* in the sworn profile says nothing: a replay in
another profile is at best consistent, and "consistent" is what a clever cheat aims at.
It runs nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from affiant.audit.replayer import Replayer
from affiant.encoding import Digest
from affiant.inference.manifest import EngineManifest
from affiant.inference.profile import Profile
from affiant.inference.replay import ReplayVerdict, SwornInference


@dataclass(frozen=True)
class ExactOnly:
    """A replayer that turns everything but an exact replay into *inconclusive*.

    *Inconsistent* in the sworn profile stays what it is: there an honest inference
    replays exactly, so that it proves a lie.
    """

    inner: Replayer
    secretive: bool = False
    """Whether reasons leave out which tokens were expected: whoever could read them
    would have found somebody to run the model for him, 32 tokens at a time."""
    before: Callable[[], None] = lambda: None
    """Called before every replay; what it raises is raised instead."""

    @property
    def root(self) -> Digest:
        """Root of the model's commitment."""
        return self.inner.root

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """None: calibrations are for replays that need not be exact."""
        return ()

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`."""
        return self.inner.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        return self.inner.decode(ids)

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int] | None:
        """Return the ids of chat messages; None without a chat template."""
        return self.inner.chat(messages)

    def replay(
        self, sworn: SwornInference, *, manifest: EngineManifest
    ) -> ReplayVerdict:
        """Replay, and say *exact*, *inconsistent* (same profile) or *inconclusive*."""
        self.before()
        verdict = self.inner.replay(sworn, manifest=manifest)
        if not verdict.same_profile:
            reason = (
                f"got a replay in another profile ({verdict.grade}), expected an exact "
                "one in the sworn profile"
            )
            return replace(verdict, grade="inconclusive", reasons=(reason,))
        if verdict.grade != "exact" and self.secretive:
            return replace(verdict, reasons=(_count(verdict),))
        return verdict


def _count(verdict: ReplayVerdict) -> str:
    measures = verdict.measures
    if not measures.mismatches:
        return f"{measures.tokens} tokens are the canonical ones, and the trace is not"
    return (
        f"{measures.mismatches} of {measures.tokens} tokens are not the canonical ones"
    )
