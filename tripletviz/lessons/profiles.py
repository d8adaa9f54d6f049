"""How much work a notebook does: the same code for a CI job, a laptop and a large machine."""

from dataclasses import dataclass

from ..datasets import PROFILES


@dataclass(frozen=True)
class Profile:
    """The sizes of one run of a notebook.

    Attributes:
        name: `"ci"` (minutes for the whole workbook on two cores), `"laptop"` (each training about
            a minute) or `"full"` (all the data; a GPU helps).
    """

    name: str

    def pick(self, *, ci, laptop, full):
        """The one of three sizes that belongs to this profile.

        Example:

        >>> use_profile("ci").pick(ci=1, laptop=2, full=5)
        1
        """
        return {"ci": ci, "laptop": laptop, "full": full}[self.name]


def use_profile(name):
    """The profile of that name.

    Args:
        name: `"ci"`, `"laptop"` or `"full"`.

    Returns:
        `Profile`.

    Raises:
        ValueError: if there is no such profile.
    """
    if name not in PROFILES:
        allowed = ", ".join(f'"{each}"' for each in PROFILES)
        raise ValueError(f"PROFILE must be one of {allowed}; got {name!r}")
    return Profile(name)
