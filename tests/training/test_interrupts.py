"""Ctrl-C while logs are written: it waits for them, nobody waits for it."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

import pytest

from mmlego.training.interrupts import held_back


def test_an_interrupt_waits_for_the_end_of_the_block_and_is_not_lost() -> None:
    before = signal.getsignal(signal.SIGINT)
    said: list[str] = []

    def written() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            said.append("whole")

    with pytest.raises(KeyboardInterrupt):
        written()
    assert said == ["whole"]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_of_the_block_passes_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), held_back():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_the_handler_that_stood_there_is_the_one_that_is_called() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            assert heard == []
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_who_is_deaf_to_interrupts_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_has_no_handler_to_change() -> None:
    said: list[str] = []

    def inside() -> None:
        with held_back():
            said.append("ran")

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert said == ["ran"]


def test_a_writer_that_was_interrupted_while_it_flushed_is_closed(tmp_path: Path) -> None:
    """As in `mmlego train`: without being held back, one interrupt in some thousand left a lock taken for ever."""
    from torch.utils.tensorboard import SummaryWriter

    def write(writer: SummaryWriter, until: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, until)
        for step in range(10**6):
            with held_back():
                writer.add_scalar("loss", 1.0, step)
                writer.flush()

    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for run in range(20):
            writer = SummaryWriter(str(tmp_path / str(run)))
            with pytest.raises(KeyboardInterrupt):
                write(writer, random.Random(run).uniform(0.001, 0.01))
            with held_back():
                writer.close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
