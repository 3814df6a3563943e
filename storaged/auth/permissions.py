"""Which right each endpoint needs; users and their rights come later, this is where they will be looked up."""

from enum import StrEnum


class Right(StrEnum):
    """What a request does, from the point of view of who may do it."""

    ANYBODY = "anybody"
    PRODUCT_VIEW = "product_view"
    PRODUCT_STORE = "product_store"
    PRODUCT_ADMIN = "product_admin"
    JOB_OWNER = "job_owner"
    OPERATOR = "operator"
    SUPERUSER = "superuser"
