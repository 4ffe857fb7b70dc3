"""The statistics of a report: pure functions on arrays, each checked against an independent source."""
