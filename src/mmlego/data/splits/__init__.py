"""Who is trained on, who validates, who tests: by patient and by group; knows no cohort."""
