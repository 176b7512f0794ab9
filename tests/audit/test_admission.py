"""Places, room, turns and quotas are bounded, and free again when left."""

from __future__ import annotations

import threading
import time

import pytest

from affiant.audit.admission import Quota, Recent, Room, Turns, Turnstile
from affiant.audit.deadline import Deadline
from affiant.audit.endorser_errors import EndorserBusyError
from affiant.audit.errors import AuditUnavailableError
from affiant.encoding import keccak256

ONE, TWO, THREE = (keccak256(name) for name in (b"one", b"two", b"three"))


def soon(seconds: float = 20) -> Deadline:
    return Deadline(seconds, clock=time.monotonic)


def test_a_turnstile_lets_in_and_turns_away() -> None:
    stile = Turnstile("things", inside=2, waiting=0)
    with stile.turn(soon()), stile.turn(soon()):
        with pytest.raises(EndorserBusyError, match="things"):
            with stile.turn(soon()):
                raise AssertionError("let in")
    with stile.turn(soon()):
        pass


def test_whoever_waits_gets_the_place() -> None:
    stile = Turnstile("things", inside=1, waiting=1)
    waiting, got = threading.Event(), threading.Event()

    def come() -> None:
        waiting.set()
        with stile.turn(soon()):
            got.set()

    with stile.turn(soon()):
        thread = threading.Thread(target=come)
        thread.start()
        assert waiting.wait(20)
        while True:  # until the thread waits inside
            try:
                with stile.turn(soon(0.001)):
                    raise AssertionError("two inside")
            except EndorserBusyError as error:
                if "time that" not in str(error):
                    break
        assert not got.is_set()
    thread.join(20)
    assert got.is_set()


def test_waiting_ends_in_time() -> None:
    stile = Turnstile("things", inside=1, waiting=1)
    with stile.turn(soon()):
        with pytest.raises(EndorserBusyError, match="time that things wait"):
            with stile.turn(soon(0.02)):
                raise AssertionError("let in")


def test_a_place_is_free_again_after_a_failure() -> None:
    stile = Turnstile("things", inside=1, waiting=0)
    with pytest.raises(ZeroDivisionError), stile.turn(soon()):
        raise ZeroDivisionError
    with stile.turn(soon()):
        pass


def test_mandates_do_not_wait_for_each_other() -> None:
    turns = Turns("things", waiting=0)
    with turns.turn(ONE, deadline=soon()), turns.turn(TWO, deadline=soon()):
        with pytest.raises(EndorserBusyError):
            with turns.turn(ONE, deadline=soon()):
                raise AssertionError("let in")
    with turns.turn(ONE, deadline=soon()):
        pass
    assert not turns._by_mandate and not turns._users


def test_room_is_counted_in_bytes() -> None:
    room = Room("evidence", limit=100)
    with room.hold(60), room.hold(40):
        with pytest.raises(EndorserBusyError, match="100 bytes"), room.hold(1):
            raise AssertionError("let in")
    with room.hold(100):
        pass


def test_a_quota_is_per_mandate_and_slot() -> None:
    quota = Quota("replays", per_slot=2, most=10)
    for _ in range(2):
        quota.spend(ONE, slot=5)
    with pytest.raises(EndorserBusyError, match="at most 2"):
        quota.spend(ONE, slot=5)
    quota.spend(TWO, slot=5)
    quota.spend(ONE, slot=6)


def test_recent_forgets_the_one_used_longest_ago() -> None:
    recent: Recent[int] = Recent(2)
    recent.keep(ONE, 1)
    recent.keep(TWO, 2)
    assert recent.get(ONE) == 1
    recent.keep(THREE, 3)
    assert (recent.get(ONE), recent.get(TWO), recent.get(THREE)) == (1, None, 3)


def test_a_deadline_counts_down_to_nothing() -> None:
    now = 10.0
    deadline = Deadline(5, clock=lambda: now)
    now = 12.0
    assert deadline.left == 3
    deadline.check()
    now = 15.0
    assert deadline.left == 0
    with pytest.raises(AuditUnavailableError, match="more than 5 s"):
        deadline.check()


def test_a_clock_that_goes_back_gives_no_time_away() -> None:
    now = [1000.0]
    deadline = Deadline(5, clock=lambda: now[0])
    now[0] = 0.0
    assert deadline.left == 5
    now[0] = 1005.0
    with pytest.raises(AuditUnavailableError):
        deadline.check()
