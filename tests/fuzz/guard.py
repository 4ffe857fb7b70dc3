"""What a case may do: no write outside its folder, nothing fetched, run or unpickled, bounded time and memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

MOST_MEMORY = 3 * 2**30  # beyond what a process has when it begins
MOST_SECONDS = 20.0  # of a case
STALLED = 0.05  # of its time a case has the processor, where a shared machine stalls; it has thrice as long then

_WRITES = {
    "os.mkdir": 0,
    "os.rename": 1,
    "os.remove": 0,
    "os.rmdir": 0,
    "os.link": 1,
    "os.symlink": 1,
    "os.truncate": 0,
}
_WRITES |= {"os.chmod": 0, "os.chown": 0, "os.utime": 0, "shutil.rmtree": 0, "shutil.copyfile": 1, "shutil.move": 1}
_NEVER = (
    "socket.connect",
    "socket.getaddrinfo",
    "urllib.Request",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
)
_NEVER += ("pickle.find_class", "webbrowser.open", "ftplib.connect", "os.fork")


class TooLong(BaseException):
    """A case that takes longer than it may: no ``except Exception`` catches it."""


class Guard:
    """Notes what no input may make us do; an audit hook cannot be taken off, so there is one in a process."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.seen: list[str] = []
        self._watching = False
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def watching(self, *folders: Path, seconds: float = MOST_SECONDS) -> Iterator[list[str]]:
        """Yield the list of what was seen; raise ``TooLong`` in a case that does not end."""
        self.allowed = tuple(os.path.realpath(folder) for folder in folders)
        self.seen = []
        self._watching = True
        begun, processor = time.monotonic(), time.process_time()

        def end(_: int, __: types.FrameType | None) -> None:
            passed = time.monotonic() - begun
            if passed > 3 * seconds or time.process_time() - processor > STALLED * passed:
                raise TooLong

        before = signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again, should somebody have caught it
        try:
            yield self.seen
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            self._watching = False

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._watching:
            return
        if event in _NEVER:
            self._note(event, arguments)
        elif event == "open" and _for_writing(arguments):
            self._check(event, arguments[0])
        elif event in _WRITES and len(arguments) > _WRITES[event]:
            self._check(event, arguments[_WRITES[event]])

    def _check(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        whole = os.path.realpath(os.fsdecode(path).split("\0")[0])
        if event == "os.mkdir" and os.path.isdir(whole):
            return  # which is there already
        if not whole.startswith(self.allowed) and not whole.startswith(("/dev/null", "/proc/self", "/dev/tty")):
            self._note(event, (whole,))

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        self._watching = False  # what noting does is not the case's
        self.seen.append(f"{event} {str(arguments)[:200]}")
        self._watching = True


def _for_writing(arguments: tuple[object, ...]) -> bool:
    mode, flags = (arguments[1], arguments[2]) if len(arguments) > 2 else (None, 0)
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def bound_memory() -> None:
    """Let this process have so much more memory than it has now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MOST_MEMORY, now + MOST_MEMORY))
