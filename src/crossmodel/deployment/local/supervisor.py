"""The process that looks after a deployment's instances: ``python -m …local.supervisor FOLDER``.

Many times a second it compares what is wanted with what there is, and takes one step. It keeps
nothing that it could not find again: another one takes over where it dies.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Final

import httpx

from crossmodel.deployment.local.process import InstanceProcess
from crossmodel.deployment.local.sockets import SharedPort
from crossmodel.deployment.local.state import Folder, There, Wanted, now
from crossmodel.deployment.target import InstanceState
from crossmodel.errors import CrossModelError
from crossmodel.settings import load_settings, split_address
from crossmodel.wire.hosts import authority

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.05
START_SECONDS: Final = 90.0
"""How long an instance may take until it listens; compiled models and large stores take a while."""

LOOK_SECONDS: Final = 5.0
LOOK_TIMEOUT: Final = 2.0
MOST_MISSED: Final = 3
"""How often in a row an instance may leave us without an answer before it is killed."""

CALM_SECONDS: Final = 60.0
"""An instance that has lived so long has started well: the next delay is short again."""

FIRST_DELAY: Final = 0.1
MOST_DELAY: Final = 10.0

CUT_SECONDS: Final = 10.0
"""How much longer than its settings say an instance may take to end."""


@dataclass(slots=True)
class Place:
    """Where one instance runs, and the next one is started before it ends."""

    number: int
    current: InstanceProcess | None = None
    coming: InstanceProcess | None = None
    failures: int = 0
    not_before: float = 0.0
    restarts: int = 0
    quick_ends: int = 0  # in a row, of instances that had started
    error: str = ""

    def fail(self, why: str) -> None:
        """Note that an instance has ended by itself: the next one waits longer each time."""
        self.failures += 1
        self.error = why
        self.not_before = now() + min(FIRST_DELAY * 2 ** (self.failures - 1), MOST_DELAY)


@dataclass(slots=True)
class Supervisor:
    """Looks after the instances of one folder.

    Raises:
        OSError: if the address cannot be had.
    """

    folder: Folder
    wanted: Wanted
    port: SharedPort = field(init=False)
    places: list[Place] = field(default_factory=list)
    leaving: list[InstanceProcess] = field(default_factory=list)
    looked_at: float = 0.0
    _steered: tuple[int, ...] = ()
    _drain_seconds: float = 30.0
    _scheme: str = "http"
    _told: There | None = None

    def __post_init__(self) -> None:
        found = self._adopt()
        host, port = split_address(self.wanted.listen, "listen")
        there = self.folder.there
        if port == 0 and found and there is not None:
            port = int(there.url.rpartition(":")[2])
        self.port = SharedPort(host, port, is_ours=not found)

    @property
    def url(self) -> str:
        """Where clients reach the deployment."""
        return f"{self._scheme}://{authority(*self.port.address)}"

    def run(self) -> None:
        """Look after them until none is wanted any more."""
        while not (self.wanted.is_over and not self.leaving and not self._alive()):
            self.step()
            time.sleep(TICK_SECONDS)
        self.port.close()

    def step(self) -> None:
        """Compare once, and do what is to be done."""
        wanted = self.folder.wanted or self.wanted
        if wanted.generation != self.wanted.generation:  # what failed before may do now
            for place in self.places:
                place.failures, place.not_before, place.error = 0, 0.0, ""
        self.wanted = wanted
        while len(self.places) < self.wanted.instances:
            self.places.append(Place(len(self.places)))
        for place in self.places:
            self._look_at(place)
        if now() - self.looked_at > LOOK_SECONDS:
            self.looked_at = now()
            self._look_whether_they_answer()
        self._replace_one()
        self._steer()
        self._let_go()
        self._tell()

    def _adopt(self) -> bool:
        """Go on with what a supervisor before has left; whether there was anything."""
        there = self.folder.there
        found = [InstanceProcess.find(each) for each in there.processes] if there else []
        alive = [each for each in found if each is not None]
        for each in alive:
            while len(self.places) <= each.place:
                self.places.append(Place(len(self.places)))
            place = self.places[each.place]
            if each.state is InstanceState.DRAINING or place.current is not None:
                each.drain()
                self.leaving.append(each)
            elif each.state is InstanceState.READY:
                # on a socket that we have not: it is replaced by one on a socket of ours
                each.generation = 0
                place.current = each
            else:
                each.kill()
        return bool(alive)

    def _look_at(self, place: Place) -> None:
        is_wanted = place.number < self.wanted.instances
        if place.current is not None and not place.current.is_alive:
            place.restarts += 1
            place.failures = place.quick_ends
            is_calm = now() - place.current.born > CALM_SECONDS
            place.quick_ends = 0 if is_calm else place.quick_ends + 1
            place.fail(f"instance {place.number} has ended by itself: see its log")
            place.current.clean_up(self.folder)
            place.current = None
        if place.coming is not None:
            self._look_at_coming(place, place.coming)
        if not is_wanted:
            for each in (place.current, place.coming):
                if each is not None and place.number not in self._steered:
                    each.drain()
                    self.leaving.append(each)
            if place.number not in self._steered:
                place.current = place.coming = None
        elif place.current is None and place.coming is None and now() >= place.not_before:
            self._start(place)

    def _look_at_coming(self, place: Place, coming: InstanceProcess) -> None:
        if not coming.is_alive:
            place.coming = None
            coming.clean_up(self.folder)
            place.fail(f"instance {place.number} does not start: {self._last_words(place)}")
        elif coming.look_for_address(self.folder):
            coming.state = InstanceState.READY
            if place.current is not None:
                place.current.drain()
                self.leaving.append(place.current)
            place.current, place.coming = coming, None
            place.error, place.failures = "", 0
        elif now() - coming.born > START_SECONDS:
            coming.kill()

    def _start(self, place: Place) -> None:
        try:
            settings = load_settings(Path(self.wanted.settings))
            self._drain_seconds = settings.gateway.drain_seconds
            self._scheme = "https" if settings.gateway.tls_certificate else "http"
            place.coming = InstanceProcess.start(
                self.folder,
                self.wanted,
                self.port.get(place.number),
                place=place.number,
                restarts=place.restarts,
            )
        except (OSError, CrossModelError) as error:
            place.fail(f"instance {place.number} cannot be started: {error}")

    def _replace_one(self) -> None:
        """Start the next one at one place whose instance is of another generation, or too large."""
        resources = self.wanted.resources
        if any(place.coming is not None for place in self.places):
            return
        for place in self.places[: self.wanted.instances]:
            current = place.current
            if current is None or now() < place.not_before:
                continue
            is_old = current.generation != self.wanted.generation
            is_large = (
                resources is not None
                and now() - current.born > CALM_SECONDS
                and current.memory_mb > resources.memory_mb
            )
            if is_old or is_large:
                self._start(place)
                return

    def _steer(self) -> None:
        """Give new connections to places that somebody listens at."""
        open_ = tuple(
            place.number
            for place in self.places[: self.wanted.instances]
            if place.current is not None
        )
        if open_ and open_ != self._steered:
            self.port.steer(open_)
            self._steered = open_
        elif self.wanted.instances == 0:
            self._steered = ()

    def _let_go(self) -> None:
        late = self._drain_seconds + CUT_SECONDS
        for each in list(self.leaving):
            if not each.is_alive:
                self.leaving.remove(each)
                each.clean_up(self.folder)
            elif each.stopped_at is not None and now() - each.stopped_at > late:
                logger.warning("instance %s does not end: it is killed", each.id)
                each.kill()
        beyond = self.places[self.wanted.instances :]
        if beyond and not self.leaving and not any(each.current or each.coming for each in beyond):
            del self.places[self.wanted.instances :]
            self.port.give_up(self.wanted.instances)

    def _look_whether_they_answer(self) -> None:
        for place in self.places:
            current = place.current
            if current is None or not current.control_url:
                continue
            try:
                httpx.get(f"{current.control_url}/healthz", timeout=LOOK_TIMEOUT, trust_env=False)
                current.missed = 0
            except httpx.HTTPError:
                current.missed += 1
            if current.missed >= MOST_MISSED:
                logger.warning("instance %s does not answer: it is killed", current.id)
                current.kill()

    def _alive(self) -> bool:
        return any(place.current or place.coming for place in self.places)

    def _tell(self) -> None:
        running = [
            each.kept(error)
            for place in self.places
            for each, error in ((place.current, ""), (place.coming, place.error))
            if each is not None
        ]
        failing = tuple(
            (place.number, place.error, place.failures)
            for place in self.places[: self.wanted.instances]
            if place.error
        )
        there = There(
            url=self.url,
            generation=self.wanted.generation,
            processes=(*running, *(each.kept() for each in self.leaving)),
            failing=failing,
        )
        if there != self._told:
            self.folder.tell(there)
            self._told = there

    def _last_words(self, place: Place) -> str:
        """The last line of its log, which says why it ended."""
        try:
            lines = self.folder.log_of(f"instance-{place.number}").read_text("utf-8").splitlines()
        except OSError:
            return "it has said nothing"
        return next((line for line in reversed(lines) if line.strip()), "it has said nothing")


def main() -> int:
    """Become the supervisor of a folder, detached from who started it, unless there is one."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    folder = Folder(Path(sys.argv[1]))
    wanted = folder.wanted
    if wanted is None:
        return 0
    with folder.supervising() as is_mine:
        if not is_mine:
            return 0
        if os.fork():  # the lock is held by both, and then by the one that stays
            os._exit(0)
        os.setsid()
        return _supervise(folder, wanted)


def _supervise(folder: Folder, wanted: Wanted) -> int:
    def end(_number: int, _frame: FrameType | None) -> None:
        """Told to end: end the deployment, as ``crossmodel undeploy`` does."""
        folder.want(_over(folder.wanted or wanted))

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        Supervisor(folder, wanted).run()
    except (CrossModelError, OSError) as error:
        why = f"{wanted.listen}: {error}"
        logger.error("%s", why)  # noqa: TRY400 - it says it all
        failing = ((0, why, sys.maxsize),)
        folder.tell(There(url="", generation=wanted.generation, failing=failing))
        if wanted.is_over:
            folder.forget()
        return 1
    folder.forget()
    return 0


def _over(wanted: Wanted) -> Wanted:
    return replace(wanted, instances=0, is_over=True)


if __name__ == "__main__":
    raise SystemExit(main())
