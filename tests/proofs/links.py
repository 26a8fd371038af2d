"""Machines in network namespaces, each on a line of its own to one in the middle, and what can be wrong with such a line.

veth pairs carry the packets (`ip`), `tc tbf` slows them, iptables' statistic match loses some, and a cut takes down the end
in the middle. netem is not in every kernel: a delaying proxy answers in place of the port instead. Needs root.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from myofed_node.linux_calls import enter_namespace
from myofed_schemas.supervise import die_with_parent

T = TypeVar("T")
MIDDLE = "10.77.0.1"
"""Address of the machine in the middle, the same on every line."""
END = "line"
"""Name of the far end of every line."""
PROXY_PORT = 18_444
TESTS = Path(__file__).parents[1]
BURST, QUEUE = "16kb", "100ms"
"""Of `tc tbf`: some ten packets pass at once, and one waits at most so long; TCP learns its pace from those dropped then."""


class NoLinksError(Exception):
    """This host gives no namespaces with lines between them; the text says what it refused."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, in both directions.

    Attributes:
        mbit: Megabits a second that pass; None for all that come.
        loss: Share of the packets that are dropped.
        delay_s: Seconds that everything takes each way.
        cut_s: Seconds for which the line is cut while weights are under way; whoever watches the run does that.
    """

    mbit: float | None = None
    loss: float = 0.0
    delay_s: float = 0.0
    cut_s: float = 0.0


class Machine:
    """A network namespace, kept by a process that sleeps in it."""

    def __init__(self) -> None:
        argv = ["unshare", "-n", "--", "sleep", "infinity"]
        try:
            self._keeper = subprocess.Popen(argv, stderr=subprocess.PIPE, preexec_fn=die_with_parent)  # noqa: PLW1509
        except OSError as error:
            raise NoLinksError(f"unshare: {error}") from None
        try:
            self._await()
            self.run("ip", "link", "set", "lo", "up")
        except NoLinksError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process that keeps the namespace."""
        return self._keeper.pid

    def run(self, *command: str) -> str:
        """What a command printed that sees this machine's network.

        Raises:
            NoLinksError: It ended with another status than 0.
        """
        argv = ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoLinksError(f"nsenter: {error}") from None
        if done.returncode:
            raise NoLinksError(f"{' '.join(command)}: {done.stderr.strip()[-200:]}")
        return done.stdout

    def inside(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread that sees this machine's network; so do processes that it starts."""

        def enter_and_work() -> T:
            with Path(f"/proc/{self.pid}/ns/net").open() as namespace:
                enter_namespace(namespace.fileno())
            return work()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter_and_work).result()

    def counted(self, end: str) -> tuple[int, int]:
        """Bytes that came in and went out at this end of a line since it was laid."""
        for row in Path(f"/proc/{self.pid}/net/dev").read_text().splitlines():
            name, _, numbers = row.partition(":")
            if name.strip() == end:
                words = numbers.split()
                return int(words[0]), int(words[8])
        raise NoLinksError(f"expected an interface {end}, found none")

    def close(self) -> None:
        """Nobody keeps the namespace any more."""
        self._keeper.kill()
        self._keeper.communicate()

    def _await(self, seconds: float = 10) -> None:
        end, here = time.monotonic() + seconds, Path("/proc/self/ns/net").readlink()
        while self._keeper.poll() is None and Path(f"/proc/{self.pid}/ns/net").readlink() == here:
            if time.monotonic() > end:
                raise NoLinksError(f"unshare -n: not within {seconds:.0f} s")
            time.sleep(0.02)
        if self._keeper.poll() is not None:
            raise NoLinksError(f"unshare -n: {self._keeper.communicate()[1].decode().strip()[-200:]}")


@dataclass
class Line:
    """A veth pair between the machine in the middle and another.

    Attributes:
        middle: Machine in the middle.
        far: Machine at the other end.
        number: Of this line; its network is 10.77.NUMBER.0/24.
        port: In the middle, where the delaying proxy answers in its place.
    """

    middle: Machine
    far: Machine
    number: int
    port: int
    _undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def ends(self) -> tuple[tuple[Machine, str], tuple[Machine, str]]:
        """Both machines, each with its end of the line; the middle first."""
        return (self.middle, f"{END}{self.number}"), (self.far, END)

    def lay(self) -> None:
        """The line is up; its packets are no longer than a cable's."""
        near = self.ends[0][1]
        self.middle.run("ip", "link", "add", near, "type", "veth", "peer", "name", END, "netns", str(self.far.pid))
        for (machine, end), host in zip(self.ends, (1, 2), strict=True):
            machine.run("ip", "addr", "add", f"10.77.{self.number}.{host}/24", "dev", end)
            machine.run("ip", "link", "set", "dev", end, "gso_max_segs", "1")
            machine.run("ip", "link", "set", "dev", end, "up")
        self.far.run("ip", "route", "add", MIDDLE, "via", f"10.77.{self.number}.1")

    def spoil(self, fault: Fault) -> None:
        """The line has this fault from now on, all but the cut."""
        for machine, end in self.ends:
            if fault.mbit is not None:
                root = ("dev", end, "root")
                shape = ("tbf", "rate", f"{round(fault.mbit * 1000)}kbit", "burst", BURST, "latency", QUEUE)
                self._do(machine, ("tc", "qdisc", "add", *root, *shape), ("tc", "qdisc", "del", *root))
            if fault.loss:
                chance = ("-m", "statistic", "--mode", "random", "--probability", str(fault.loss), "-j", "DROP")
                self._rule(machine, "filter", "INPUT", "-i", end)  # counts what comes
                self._rule(machine, "filter", "INPUT", "-i", end, *chance)
        if fault.delay_s:
            self._delay(fault.delay_s)

    def mend(self) -> None:
        """The line is as it was laid."""
        while self._undo:
            self._undo.pop()()

    def cut(self) -> None:
        """Nothing passes: the end in the middle is down, and the other has no carrier."""
        machine, end = self.ends[0]
        machine.run("ip", "link", "set", "dev", end, "down")

    def heal(self) -> None:
        """The end in the middle is up again."""
        machine, end = self.ends[0]
        machine.run("ip", "link", "set", "dev", end, "up")

    def passed(self) -> tuple[int, int]:
        """Bytes on the line since it was laid: from the middle, and to it."""
        machine, end = self.ends[0]
        there, back = reversed(machine.counted(end))
        return there, back

    def lost(self) -> tuple[float, float]:
        """Shares of the packets that the loss dropped since the fault began: of those from the middle, of those to it."""
        there, back = (_share_lost(machine, end) for machine, end in reversed(self.ends))
        return there, back

    def _delay(self, seconds: float) -> None:
        """New connections to the port are answered by the delaying proxy; those of before are reset."""
        port = str(PROXY_PORT + self.number)
        argv = [sys.executable, "-m", "proofs.delaying_proxy", port, MIDDLE, str(self.port), str(seconds)]
        proxy = self.middle.inside(
            lambda: subprocess.Popen(argv, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )

        def end_proxy() -> None:
            proxy.kill()
            proxy.communicate()

        self._undo.append(end_proxy)
        assert proxy.stdout is not None
        if proxy.stdout.readline() != b"ready\n":
            raise NoLinksError("the delaying proxy did not start")
        there = ("-i", self.ends[0][1], "-p", "tcp", "--dport", str(self.port))
        self._rule(self.middle, "nat", "PREROUTING", *there, "-j", "REDIRECT", "--to-ports", port)
        self._rule(self.middle, "filter", "INPUT", *there, "-j", "REJECT", "--reject-with", "tcp-reset")

    def _rule(self, machine: Machine, table: str, chain: str, *rule: str) -> None:
        begin = ("iptables", "-w", "-t", table)
        self._do(machine, (*begin, "-A", chain, *rule), (*begin, "-D", chain, *rule))

    def _do(self, machine: Machine, command: Sequence[str], undo: Sequence[str]) -> None:
        machine.run(*command)
        self._undo.append(lambda: machine.run(*undo))


@contextmanager
def star(names: Sequence[str], *, port: int) -> Iterator[tuple[Machine, dict[str, Line]]]:
    """The machine in the middle and a line to a machine of each name; they are gone with the block.

    Args:
        names: Of the machines around it.
        port: In the middle, that a delaying proxy can stand in for.

    Raises:
        NoLinksError: This host does not allow it, or a program for it is missing.
    """
    machines: list[Machine] = []
    lines: dict[str, Line] = {}
    try:
        machines.append(middle := Machine())
        middle.run("ip", "addr", "add", f"{MIDDLE}/32", "dev", "lo")
        for number, name in enumerate(names, start=1):
            machines.append(far := Machine())
            lines[name] = Line(middle, far, number, port)
            lines[name].lay()
        yield middle, lines
    finally:
        for line in lines.values():
            line.mend()
        for machine in machines:
            machine.close()


def why_no_links() -> str:
    """What this host refuses of what `star` and every fault need; empty where all of it works."""
    try:
        with star(["far"], port=1) as (_, lines):
            lines["far"].spoil(Fault(mbit=10, loss=0.02, delay_s=0.01))
    except NoLinksError as error:
        return str(error)
    return ""


def _share_lost(machine: Machine, end: str) -> float:
    rows = machine.run("iptables", "-w", "-t", "filter", "-L", "INPUT", "-v", "-x", "-n").splitlines()
    counted = {"statistic" in row: int(row.split()[0]) for row in rows if end in row.split() and "REJECT" not in row}
    return counted.get(True, 0) / counted[False] if counted.get(False) else 0.0
