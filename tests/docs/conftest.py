"""What pages register is gone after them: other tests know what mmlego offers by itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from mmlego.plugins import Registry


def registries() -> list[Registry[Any]]:
    return [thing for thing in gc.get_objects() if type(thing) is Registry]


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    before = {id(registry): set(registry._known) for registry in registries()}
    yield
    for registry in registries():
        for name, thing in list(registry._known.items()):
            # what mmlego registers as its modules are imported stays: they are imported once
            if name not in before.get(id(registry), ()) and thing.__module__.partition(".")[0] != "mmlego":
                del registry._known[name]
