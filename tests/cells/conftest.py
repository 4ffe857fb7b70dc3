"""Ray, once a session, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers of Ray, which starts once: it takes some ten seconds."""
    module = pytest.importorskip("ray", reason="Ray is not installed (pip install 'mmlego[ray]')")
    if module.is_initialized():  # of another folder of tests, which has imported this
        yield module
        return
    with pytest.MonkeyPatch.context() as patch:
        for name, value in RAY.items():
            patch.setenv(name, value)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHONPATH", PATHS)
        module.init(
            address="local",
            num_cpus=2,
            object_store_memory=100_000_000,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
        )
        yield module
        module.shutdown()


RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
ROOT = Path(__file__).parents[2]
PATHS = f"{ROOT / 'src'}:{ROOT}"
