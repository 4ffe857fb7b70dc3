"""The trial on which the main job is tested."""

from tests.trials import bricks, cohort, quick, split

__all__ = ["bricks", "cohort", "quick", "split"]
