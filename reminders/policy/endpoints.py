"""How many events are posted at a time: to one endpoint, and to those together that are slow or have yet to answer."""

from dataclasses import dataclass

from reminders.policy.retries import Result

LANES_EACH = 16
"""Posts to one endpoint at a time, once it has answered several times."""
FAST_LANES = 64
"""Posts at a time to all endpoints that answer quickly."""
SLOW_LANES = 16
"""Posts at a time to all others, one to each of them. So one that hangs takes no lane from those that answer."""
SLOW_SECONDS = 1.0
"""An endpoint that takes longer is slow, and so is one that has not answered for so long."""

BEGUN_SECONDS = 0.25
"""So many events of an endpoint are begun as are posted in about this time."""
RUN_SECONDS = 0.02
"""So many events are given to a lane at once as it posts in about this time."""
MOST_IN_RUN = 16


@dataclass(slots=True)
class EndpointPace:
    """What this turn has learnt of one endpoint."""

    has_answered: bool = False
    seconds_per_post: float = 0.0
    lanes: int = 1

    def learn(self, result: Result, seconds: float) -> None:
        """From one post. Any response but one about the endpoint as a whole shows that it works."""
        if result in (Result.ACCEPTED, Result.REFUSED_FOR_NOW, Result.REJECTED):
            if self.has_answered:
                self.seconds_per_post += 0.2 * (seconds - self.seconds_per_post)
                self.lanes = min(self.lanes + 1, LANES_EACH)
            else:
                self.has_answered, self.seconds_per_post = True, seconds
        elif result is not Result.HANDED_BACK:
            self.has_answered, self.lanes = False, 1

    def is_fast(self, *, waits: float) -> bool:
        """`waits`: seconds for which the oldest post that is under way has had no answer; 0 where none is."""
        return self.has_answered and self.seconds_per_post < SLOW_SECONDS and waits < SLOW_SECONDS

    @property
    def run_size(self) -> int:
        """How many posts a lane is given at once."""
        return max(1, min(MOST_IN_RUN, int(RUN_SECONDS / max(self.seconds_per_post, 1e-6))))

    def begun_at_once(self, *, most: int) -> int:
        """How many events of a fast endpoint may be begun and not ended."""
        each = max(1.0, BEGUN_SECONDS / max(self.seconds_per_post, 1e-6))
        return max(1, min(most, int(self.lanes * each)))
