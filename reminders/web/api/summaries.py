"""The summary of each call in the OpenAPI description."""

from drf_spectacular.openapi import AutoSchema


class SummarizedSchema(AutoSchema):
    """The first sentence of a docstring is the summary of its call, what follows is the description."""

    def get_summary(self) -> str:
        return self._parts()[0]

    def get_description(self) -> str:  # type: ignore[override]  # as AutoSchema itself
        return self._parts()[1]

    def _parts(self) -> tuple[str, str]:
        first, _, rest = super().get_description().partition("\n\n")
        summary, stop, more = " ".join(first.split()).partition(". ")
        return (summary + stop).strip(), "\n\n".join(part for part in (more, rest) if part)
