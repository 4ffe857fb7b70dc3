"""Files from disk, with care, and their rows joined by patient; knows no kind of modality."""
