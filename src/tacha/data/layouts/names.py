"""Folder and label names that mean good or flawed."""

GOOD_NAMES = ("good", "ok", "normal")
BAD_NAMES = ("bad", "ko", "ng", "nok", "defect", "defective", "anomaly", "abnormal")


def is_good(name: str) -> bool:
    """Whether a folder or label name says that its images are good."""
    return name.strip().lower() in GOOD_NAMES


def is_bad(name: str) -> bool:
    """Whether a folder name says flawed without naming the flaw."""
    return name.strip().lower() in BAD_NAMES
