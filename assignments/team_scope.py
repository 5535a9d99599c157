"""Whose work somebody may see: a value that every query about people and work is narrowed by (`visible_to`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TeamScope:
    """The teams that a caller is limited to; None: everything, also what belongs to no team."""

    teams: frozenset[int] | None = None

    @property
    def limited(self) -> bool:
        """Whether there is anything that this caller does not see."""
        return self.teams is not None

    @property
    def only_team(self) -> int | None:
        """The team that new people and new work get where none is given; None unless there is exactly one."""
        return next(iter(self.teams)) if self.teams is not None and len(self.teams) == 1 else None

    def holds(self, team_id: int | None) -> bool:
        """Whether what belongs to this team may be seen."""
        return self.teams is None or team_id in self.teams


EVERYTHING = TeamScope()
"""The scope of commands, of workers, and of whoever is not limited."""
