"""Patients × modalities in memory: columns, batches, loaders; knows no kind of modality."""
