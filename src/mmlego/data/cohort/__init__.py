"""A cohort: from a manifest, or tables in memory, to prepared data and splits that do not leak."""
