"""De-identification of DICOM by PS3.15 Annex E, keyed, recursive and verified after writing."""

from myofed_anonymization.dates import date_shift_days
from myofed_anonymization.deidentify import Options, deidentify, read_report
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import Policy, default_policy, load_policy
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.uids import new_uid

__all__ = [
    "Options",
    "Policy",
    "SiteKeys",
    "date_shift_days",
    "default_policy",
    "deidentify",
    "load_policy",
    "new_uid",
    "pseudonym",
    "read_report",
]
