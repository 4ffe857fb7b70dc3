"""Columns of numbers and categories as features: what tables, static descriptors and attributes of graphs share."""
