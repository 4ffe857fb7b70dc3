"""The pictures of a report: each a function from numbers to a figure, in one style."""
