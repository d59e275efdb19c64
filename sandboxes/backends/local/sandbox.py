"""One local sandbox as the host runs it: brings what is there towards what is wanted, and says what it sees.

The wanted goal ("running", "stopped" or "gone") stands in the record on disk; a driver works towards it, a
newer goal takes over from the one in work. Nothing here waits for a caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time

from sandboxes.backends.base import BackendError, Fault, NodeState, Observation, Phase
from sandboxes.backends.local import ground, kafka, records, trees, troubles
from sandboxes.backends.local.answering import Answering
from sandboxes.backends.local.doors import Doors
from sandboxes.backends.local.driver import Driver
from sandboxes.backends.local.events import EventRing, Numbers
from sandboxes.backends.local.faults import ENDINGS, Faults
from sandboxes.backends.local.housing import Housing
from sandboxes.backends.local.keeper_link import Event, KeeperGone, KeeperRefused
from sandboxes.backends.local.nodes import NodeExited, Nodes
from sandboxes.backends.local.programs import Programs
from sandboxes.backends.local.records import Goal, Home, Record
from sandboxes.backends.local.surroundings import Surroundings
from sandboxes.backends.local.trees import Usage
from sandboxes.backends.local.troubles import Trouble
from sandboxes.backends.local.waiting import in_thread

logger = logging.getLogger(__name__)


class LocalSandbox:
    def __init__(self, around: Surroundings, home: Home, record: Record) -> None:
        self._around, self.home, self.record = around, home, record
        self._driver = Driver()
        self._stage = ""
        self._ready = False
        self._trouble: Trouble | None = None
        self._was_held_down = False
        self.gone = False
        self.housing = Housing(around, home, record, on_event=self._on_event, on_lost=self._on_keeper_lost)
        link = self.housing.get_link
        self.nodes = Nodes(
            home=home,
            record=record,
            parts=around.parts,
            limits=around.limits,
            archive=around.archive,
            link=link,
        )
        self._doors = Doors(record.address, link)
        self._closing: asyncio.Task[None] | None = None  # the doors, of themselves
        self._faults = Faults(record, self._doors, self._save)
        self._answering = Answering(
            around, home, record, nodes=self.nodes, faults=self._faults, enter=self._enter
        )
        self.programs = Programs(
            home=home,
            parts=around.parts,
            limits=around.limits,
            ring=EventRing(around.limits.ring_bytes, Numbers(record, self._save).take),
            link=link,
        )

    # What callers ask for

    def want(self, goal: Goal, *, generation: int | None = None) -> None:
        """Set the goal; work on it starts at once, and again if it was given up before."""
        if self.record.goal == "gone":
            if not self.gone and not self._driver.is_busy:  # something was in the way last time
                self._drive()
            return
        changed = goal != self.record.goal
        self.record.goal = goal
        if goal == "stopped":
            self.record.faults = []  # a broker that is down cannot be held down; it is to start again whole
            self._was_held_down = False
        self.record.generation = generation or self.record.generation
        self._save()
        if changed or (not self._driver.is_busy and not self._is_there()):
            self._drive()

    def observe(self) -> Observation:
        record = self.record
        phase = self._phase()
        running = phase is Phase.RUNNING and self._ready
        trouble = self._trouble_of(phase)
        return Observation(
            sandbox_id=record.sandbox_id,
            phase=phase,
            stage="" if running else self._stage,
            detail=trouble.detail if trouble else "",
            cause=trouble.cause if trouble else "",
            endpoint=self.nodes.endpoint() if running else None,
            frozen=record.frozen and running,
            nodes=tuple(
                NodeState(node_id=node.node_id, role=node.role, running=node.name in self.nodes.alive)
                for node in self.nodes.profile.nodes
            ),
        )

    async def freeze(self) -> None:
        """Stop the JVMs where they stand, once they run; the keeper and the relays stay awake."""
        if self._phase() is Phase.RUNNING and self._ready and not self.record.frozen:
            self._note_frozen(True)  # first: what is stopped and not known to be would never be woken
            try:
                await self.nodes.send(signal.SIGSTOP)
            except (KeeperGone, KeeperRefused):
                with contextlib.suppress(KeeperGone, KeeperRefused):
                    await self.nodes.send(signal.SIGCONT)  # it may have heard, and not have answered
                self._note_frozen(False)
                raise

    async def thaw(self) -> None:
        if self.record.frozen:
            await self.nodes.send(signal.SIGCONT)
            self._note_frozen(False)

    def _note_frozen(self, frozen: bool) -> None:
        self.record.frozen = frozen
        self._save()

    async def inject(self, fault: Fault) -> None:
        node = self._broker(fault.node)
        if self._faults.hold(fault) and fault.kind in ENDINGS:
            await self.nodes.end(ENDINGS[fault.kind], (node,))

    async def undo(self, fault: Fault) -> None:
        """The node of a broker fault is started again, whoever stopped it, and whatever is in work by now:
        a start that was begun before has left it out.
        """
        self._broker(fault.node)
        self._was_held_down |= fault.node in self._faults.down()
        was_in = self._faults.lift(fault)
        if fault.kind in ENDINGS and self.record.goal == "running" and (was_in or not self._driver.is_busy):
            self._drive()

    def _broker(self, node_id: int) -> kafka.Node:
        try:
            return self.nodes.profile.node(node_id)
        except KeyError:
            raise BackendError(f"This sandbox has no broker {node_id}.") from None

    # What the host does with it

    async def adopt(self) -> None:
        """After a host restart: take over what lives, or start what should."""
        self.programs.adopt()
        if self.housing.lives():
            with contextlib.suppress(KeeperGone):
                await self.housing.connect()
        if self.housing.link:
            self.nodes.adopt(self.housing.link.children)
        else:
            self._forget_keeper()
        if self.record.frozen and self._answering.are_all_up():
            await self._adopt_asleep()
        elif self.record.goal == "gone" or self.housing.link:
            self._drive()

    async def _adopt_asleep(self) -> None:
        await self._doors.open(self.nodes.profile.brokers)
        self._answering.adopt()
        self._ready = True

    def _forget_keeper(self) -> None:
        """It ended while no host was there, with the machine or the site: the data is left, nothing runs."""
        self.record.keeper_pid = self.record.keeper_start = 0
        self.record.frozen = False
        if self.record.goal == "running":
            self.record.goal = "stopped"
            self._trouble = troubles.RESTARTED
        self._save()

    async def let_go(self) -> None:
        """The host ends and the sandbox does not: stop watching, leave the keeper to the next host."""
        await self._driver.end()
        await self._doors.close()
        self.housing.hang_up()

    async def outgrown(self, trouble: Trouble) -> None:
        """Its data has outgrown its room: stop the brokers, keep the data, say so."""
        if self.record.goal != "running":
            return  # it is being stopped or removed by now, which must not be forgotten for this
        self._trouble = trouble
        self.record.goal = "stopped"
        self._save()
        self._drive()

    def is_running(self) -> bool:
        return self._ready

    def expected(self) -> tuple[kafka.Node, ...]:
        """Brokers that are to answer now: up and awake, and nobody works on them."""
        if (
            self._phase() is not Phase.RUNNING
            or not self._ready
            or self.record.frozen
            or self._driver.is_busy
        ):
            return ()
        return self._answering.expected()

    async def hangs(self, node: kafka.Node) -> None:
        """A broker runs and does not answer: it is told to end; whoever wants it next gets a new one."""
        self._fail(troubles.HUNG)
        await self.nodes.end(signal.SIGTERM, (node,))

    async def stop_with_site(self) -> None:
        """The site stops: end all cleanly. The goal stays, so that what ran can be told from what did not."""
        await self._driver.end()
        if self.record.goal != "gone":
            with contextlib.suppress(KeeperGone, KeeperRefused):
                await self._bring_down("host_restart")

    # The driver

    def _drive(self) -> None:
        self._driver.take_up(self._work)

    async def _work(self) -> None:
        try:
            await {"running": self._bring_up, "stopped": self._bring_down, "gone": self._remove}[
                self.record.goal
            ]()
        except NodeExited as error:
            self._fail(self._answering.why_ended(error.node, while_starting=True))
        except ground.GroundError:
            logger.exception("sandbox.ground", extra={"sandbox": self.record.sandbox_id})
            self._fail(troubles.OPEN)
        except (KeeperGone, KeeperRefused):
            logger.exception("sandbox.lost", extra={"sandbox": self.record.sandbox_id})
            self._fail(troubles.LOST)
        except TimeoutError:  # an OSError too, of another kind
            self._fail(troubles.SILENT)
        except OSError as error:
            logger.warning("sandbox.refused", extra={"sandbox": self.record.sandbox_id, "said": str(error)})
            self._fail(troubles.of_error(error))
        except Exception:  # a fault of ours must not end the work on this sandbox unseen
            logger.exception("sandbox.driver", extra={"sandbox": self.record.sandbox_id})
            self._fail(troubles.OURS)
        finally:
            self._stage = ""

    async def _bring_up(self) -> None:
        outgrown = await asyncio.to_thread(self._how_outgrown)
        if outgrown:
            await self._refuse(outgrown)
            return
        self._trouble = None
        self._enter("namespaces")
        began = time.monotonic()
        await self.housing.have()
        await self._doors.open(self.nodes.profile.brokers)
        for node in self.nodes.profile.brokers:
            self._faults.set_mode(node.node_id)
        await self.thaw()
        await self._answering.start()
        self._ready = True
        self._was_held_down = False
        took = round(time.monotonic() - began, 3)
        logger.info("sandbox.running", extra={"sandbox": self.record.sandbox_id, "took_s": took})

    def _enter(self, stage: str) -> None:
        self._stage = stage

    def _how_outgrown(self) -> Trouble | None:
        limits = self._around.limits
        most = Usage(limits.data_bytes, limits.data_files)
        return troubles.of_data(trees.usage(self.home.data, most=most), most)

    async def _refuse(self, outgrown: Trouble) -> None:
        """Every start would give it more seconds to write in."""
        self._trouble = outgrown
        self.record.goal = "stopped"
        self._save()
        await self._bring_down()

    async def _bring_down(self, reason: str = "") -> None:
        """reason: why programs end with it; by itself the trouble tells."""
        reason = reason or ("disk" if self._trouble in troubles.OUTGROWN else "sandbox_ended")
        self._stage, self._ready = "stopping", False
        if self.housing.link:
            await self.programs.end_all(reason)
            await self.nodes.stop()
        await self._end_keeper()

    async def remove_now(self) -> None:
        """End and delete everything, whatever was being done."""
        self.record.goal = "gone"
        await self._remove()

    async def _remove(self) -> None:
        self._stage, self._ready = "removing", False
        await self._end_keeper()
        self.programs.ring.close()
        await in_thread(ground.remove_home, self.home)
        self.gone = True

    async def _end_keeper(self) -> None:
        """End all that is left in it; nothing is when this returns."""
        await self._doors.close()
        await self.housing.end()
        self._after_end()

    def _after_end(self) -> None:
        self._answering.forget()
        self.programs.lost()
        if self.record.goal != "gone":
            self._save()

    # What happens by itself

    def _on_event(self, event: Event) -> None:
        name = event["name"]
        node = self.nodes.named(name)
        if node is None:
            self.programs.exited(name, event.get("reason", ""))
            return
        was_told_to = name in self.nodes.ending
        self._answering.ended(name, event.get("status"))
        if was_told_to:
            return
        if self.record.goal == "running" and node.node_id not in self._faults.down() and self._ready:
            self._fail(self._answering.why_ended(node, while_starting=False))

    def _on_keeper_lost(self) -> None:
        logger.warning("sandbox.keeper_lost", extra={"sandbox": self.record.sandbox_id})
        self.housing.forget()
        self._after_end()
        self._fail(troubles.LOST)
        self._closing = asyncio.create_task(self._doors.close())

    def _fail(self, trouble: Trouble) -> None:
        """Whatever it looks like, a disk that takes nothing is the first thing to say."""
        self._ready = False
        self._trouble = troubles.of_disk(self.home.root) or trouble
        extra = {
            "sandbox": self.record.sandbox_id,
            "cause": self._trouble.cause,
            "said": trouble.detail,
        }
        logger.warning("sandbox.failed", extra=extra)

    # Small things

    def _phase(self) -> Phase:
        if self.gone:
            return Phase.ABSENT
        if self.record.goal == "running":
            return self._phase_up()
        # Data is left until "gone" is reached, and what is being stopped is not to be used.
        return Phase.STOPPED if not self._driver.is_busy or self.record.goal == "gone" else Phase.RUNNING

    def _phase_up(self) -> Phase:
        if self._ready and self._answering.is_any():
            return Phase.RUNNING
        if self._driver.is_busy:
            return Phase.STARTING
        return Phase.FAILED if self._trouble else Phase.STOPPED

    def _trouble_of(self, phase: Phase) -> Trouble | None:
        if phase is Phase.STOPPED and self.record.goal == "running" and self._faults.down():
            return troubles.HELD_DOWN
        if phase is Phase.STARTING and self._was_held_down:
            return troubles.COMING_BACK
        return self._trouble if phase in (Phase.FAILED, Phase.STOPPED) else None

    def _is_there(self) -> bool:
        """True when the goal is reached and there is nothing to do."""
        if self.record.goal == "running":
            return self._ready and self._answering.are_all_up() and not self._trouble
        return self.housing.link is None and not self.record.keeper_pid

    def _save(self) -> None:
        """Where the disk takes nothing, what we know in memory has to do; the next change saves it all."""
        try:
            records.save(self.home, self.record)
        except OSError as error:
            extra = {"sandbox": self.record.sandbox_id, "said": str(error)}
            logger.warning("sandbox.not_saved", extra=extra)
