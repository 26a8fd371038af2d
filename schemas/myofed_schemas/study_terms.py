"""On what legal ground a study asks for data, and what may become of its models: closed words that a lawyer can check."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from myofed_schemas.wire import WireModel

LAW = r"^[A-Za-z0-9 .,;:()/§-]{2,200}$"
"""A citation of a law; no free text that could carry anything else."""

Article6 = Literal["6(1)(a)", "6(1)(c)", "6(1)(d)", "6(1)(e)", "6(1)(f)"]
Article9 = Literal["9(2)(a)", "9(2)(g)", "9(2)(h)", "9(2)(i)", "9(2)(j)"]
"""Regulation (EU) 2016/679: lawfulness of processing, and the exception for data concerning health."""

Licence = Literal[
    "LicenseRef-consortium-only",
    "Apache-2.0",
    "MIT",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0",
    "CC0-1.0",
]
"""SPDX identifiers a model may be given out under; the first one means: to nobody outside the consortium."""

CONSORTIUM_ONLY: Licence = "LicenseRef-consortium-only"

ARTICLE_6_WORDS: dict[Article6, str] = {
    "6(1)(a)": "consent",
    "6(1)(c)": "legal obligation",
    "6(1)(d)": "vital interests",
    "6(1)(e)": "task in the public interest",
    "6(1)(f)": "legitimate interests",
}
ARTICLE_9_WORDS: dict[Article9, str] = {
    "9(2)(a)": "explicit consent",
    "9(2)(g)": "substantial public interest",
    "9(2)(h)": "health care",
    "9(2)(i)": "public health",
    "9(2)(j)": "scientific research",
}


class LegalBasis(WireModel):
    """The ground on which the consortium believes the processing lawful; each site's own people judge it.

    Attributes:
        article_6: Of the GDPR.
        article_9: Of the GDPR.
        ethics_review: `approved` for all sites, `waived`, `each-site`: every site has or gets its own, `not-required`.
        national_law: The national provision, e.g. `BDSG section 27`; absent where none is cited.
    """

    article_6: Article6
    article_9: Article9
    ethics_review: Literal["approved", "waived", "each-site", "not-required"]
    national_law: str | None = Field(default=None, pattern=LAW)

    def line(self) -> str:
        """The same in words."""
        law = f", {self.national_law}" if self.national_law else ""
        return (
            f"GDPR Art. {self.article_6} ({ARTICLE_6_WORDS[self.article_6]}), "
            f"Art. {self.article_9} ({ARTICLE_9_WORDS[self.article_9]}){law}; ethics review: {self.ethics_review}"
        )


class DataUse(WireModel):
    """What the study does with what leaves the sites.

    Attributes:
        consent: What the patients' consent must cover; `each-site`: as each site's own rules say.
        model_licence: Under which a model of this study may be given out.
        commercial: Whether a model may be used commercially.
    """

    consent: Literal["research-consent", "broad-consent", "opt-out", "waiver", "each-site"]
    model_licence: Licence
    commercial: bool

    def line(self) -> str:
        """The same in words."""
        use = "commercial use allowed" if self.commercial else "no commercial use"
        return f"consent: {self.consent}; models under {self.model_licence}, {use}"
