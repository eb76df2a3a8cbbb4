"""Several prompts for one object: one list of candidates that agree with all of them.

The network knows one click or one box and answers each on its own; what is done with the
answers is plain geometry, described for users in docs/prompts.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_semantic_sam.inference.correction import (
    cut,
    extended,
    is_deep,
    minus,
    trimmed,
    united,
    with_hole,
)
from napari_semantic_sam.inference.evidence import Evidence, Point, holds, read_evidence
from napari_semantic_sam.inference.levels import first_distinct, with_repaired_levels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor
    from napari_semantic_sam.inference.tiles import PlaneEmbedding

    Embedding = PictureEmbedding | PlaneEmbedding

Said = Sequence[tuple[Prompt, Evidence]]
"""Prompts in the order in which they were given, with what they say."""

_CLICKS = ("click", "scribble")


@dataclass(frozen=True, eq=False)
class Combined:
    """What the prompts of one object gave.

    Attributes
    ----------
    candidates : tuple of Candidate
        Distinct, by area, the largest (coarsest) first, with repaired levels, no two of
        which are the same; at most K, possibly none.
    best : int
        Index of the one to show first; 0 where there is none.
    agreements : tuple of float
        Of each candidate with the positive prompts, 0..1: the mean of `Evidence.agreement`.
    """

    candidates: tuple[Candidate, ...] = ()
    best: int = 0
    agreements: tuple[float, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory that the masks take."""
        return sum(each.crop.nbytes for each in self.candidates)


def combine(
    predictor: Predictor,
    embedding: Embedding,
    prompts: Sequence[Prompt],
    labels: Mapping[Prompt, CroppedMask] | None = None,
) -> Combined:
    """Ask the network about every prompt of one object, and put the answers together.

    The first prompts give a mask: all answers form one pool, ranked by agreement with the
    positive prompts × predicted IoU (a single click or box: by predicted IoU alone, as the
    network gives it). Each further click or scribble corrects that mask where it is wrong
    (`inference.correction`). Boxes, lassos and labels belong to the first prompts even if
    they come later; the areas of negative ones are cut out of every mask.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding or PlaneEmbedding
        From the same predictor.
    prompts : sequence of Prompt
        Of one object, in the order in which they were given. Without a positive one there are
        no candidates.
    labels : mapping of Prompt to CroppedMask, optional
        The mask of each prompt of kind "label".

    Returns
    -------
    Combined

    Raises
    ------
    UserError
        As `read_evidence` and `Predictor.predict`.
    """
    labels = labels or {}
    said = [(each, read_evidence(each, embedding.shape, labels.get(each))) for each in prompts]
    group = _Group.of(said)
    if not group.wanted:
        return Combined()
    answers = _Answers.ask(predictor, embedding, group)
    ranked = [*_corrected_mask(said, answers), *group.ranked(answers)]
    distinct = first_distinct(ranked, answers.levels)
    found = with_repaired_levels(distinct, answers.levels)
    best = [each.crop is distinct[0].crop for each in found].index(True) if found else 0
    return Combined(found, best, tuple(group.agreement(each) for each in found))


@dataclass(frozen=True, eq=False)
class _Answers:
    """What the network says.

    Attributes
    ----------
    of : mapping of Evidence to candidates
        The answers to each positive prompt.
    under : mapping of (y, x) to candidates
        The answer to each negative click.
    levels : int
        How many candidates an answer has.
    """

    of: Mapping[Evidence, Sequence[Candidate]]
    under: Mapping[Point, Sequence[Candidate]]
    levels: int

    @classmethod
    def ask(cls, predictor: Predictor, embedding: Embedding, group: _Group) -> _Answers:
        """Ask about all prompts in one call."""
        boxes = [evidence.box for evidence in group.wanted if evidence.box is not None]
        points = [*group.clicks, *group.unwanted]
        results = predictor.predict(embedding, points, boxes)
        under = dict(zip(points, (each.candidates for each in results), strict=False))
        drawn = iter(results[len(points) :])
        of = {
            evidence: [
                *(each for click in evidence.clicks for each in under[click]),
                *(next(drawn).candidates if evidence.box is not None else ()),
            ]
            for evidence in group.wanted
        }
        return cls(of, under, len(results[0].candidates))


@dataclass(frozen=True, eq=False)
class _Group:
    """The prompts of one object, or the first of them.

    Attributes
    ----------
    wanted : tuple of Evidence
        Of the positive prompts.
    unwanted : tuple of (y, x)
        Negative clicks, those along negative scribbles, too.
    areas : tuple of CroppedMask
        Of negative boxes, lassos and labels.
    is_single : bool
        Whether there is nothing but one click or box.
    """

    wanted: tuple[Evidence, ...]
    unwanted: tuple[Point, ...]
    areas: tuple[CroppedMask, ...]
    is_single: bool
    _agreements: dict[CroppedMask, float] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, said: Said) -> _Group:
        negative = [evidence for prompt, evidence in said if not prompt.positive]
        return cls(
            wanted=tuple(evidence for prompt, evidence in said if prompt.positive),
            unwanted=tuple(click for evidence in negative for click in evidence.clicks),
            areas=tuple(each.area for each in negative if each.area is not None),
            is_single=len(said) == 1 and said[0][0].kind in ("click", "box"),
        )

    @property
    def clicks(self) -> tuple[Point, ...]:
        """The positive ones."""
        return tuple(click for evidence in self.wanted for click in evidence.clicks)

    @property
    def centres(self) -> tuple[Point, ...]:
        """The positive clicks, and the middle of other positive prompts."""
        return tuple(centre for evidence in self.wanted for centre in evidence.centres)

    def agreement(self, mask: CroppedMask) -> float:
        if mask not in self._agreements:  # pixels of a lasso are worth counting but once
            total = sum(evidence.agreement(mask) for evidence in self.wanted)
            self._agreements[mask] = total / len(self.wanted)
        return self._agreements[mask]

    def rank(self, candidate: Candidate) -> tuple[float, float]:
        """Return what candidates are sorted by, the best one highest."""
        expected = max(0.0, candidate.predicted_iou)  # a network may give less than nothing
        weight = 1.0 if self.is_single else self.agreement(candidate)
        return weight * expected, candidate.predicted_iou

    def is_allowed(self, mask: CroppedMask) -> bool:
        return not any(holds(mask, click) for click in self.unwanted)

    def is_right(self, mask: CroppedMask) -> bool:
        """Whether a mask agrees with all clicks."""
        return self.is_allowed(mask) and all(holds(mask, click) for click in self.clicks)

    def pool(self, answers: _Answers) -> list[Candidate]:
        """Return all candidates of the positive prompts, without the negative areas."""
        pool = [each for evidence in self.wanted for each in answers.of[evidence]]
        return [each for each in map(self._without_areas, pool) if each.area]

    def ranked(self, answers: _Answers) -> list[Candidate]:
        """Return the candidates that may be shown, the best first."""
        allowed = self._allowed(self.pool(answers), answers)
        return sorted(self._joined(allowed), key=self.rank, reverse=True)

    def _without_areas(self, candidate: Candidate) -> Candidate:
        for area in self.areas:
            candidate = minus(candidate, area)
        return candidate

    def _allowed(self, pool: Sequence[Candidate], answers: _Answers) -> list[Candidate]:
        """Return those without a negative click; if none of them is wanted, a corrected one.

        Those that hold negative clicks near their outline only are trimmed there.
        """
        right = [each for each in pool if self.is_right(each)]
        trimmed_ones = [self._trimmed(each, right) for each in pool]
        allowed = [each for each in trimmed_ones if each.area and self.is_allowed(each)]
        excluded = [each for each in pool if not self.is_allowed(each)]
        if excluded and not any(self.agreement(each) for each in allowed):
            rest = max(excluded, key=self.rank)
            for click in self.unwanted:
                if holds(rest, click):
                    rest = cut(rest, click, answers.under[click], self.centres)
            allowed += [rest] if rest.area else []
        return allowed

    def _trimmed(self, candidate: Candidate, right: Sequence[Candidate]) -> Candidate:
        for click in self.unwanted:
            if holds(candidate, click) and not is_deep(candidate, click):
                candidate = trimmed(candidate, click, right, self.centres)
        return candidate

    def _joined(self, allowed: Iterable[Candidate]) -> list[Candidate]:
        """Add a union where no candidate holds every positive click."""
        ranked = sorted(allowed, key=self.rank, reverse=True)
        if not ranked or any(all(holds(each, c) for c in self.clicks) for each in ranked):
            return ranked
        members = [ranked[0]]
        for click in self.clicks:
            if not any(holds(member, click) for member in members):
                members += [each for each in ranked if holds(each, click)][:1]
        return [*ranked, united(members)]


def _corrected_mask(said: Said, answers: _Answers) -> list[Candidate]:
    """Return the mask of the first prompts, corrected by one further click after the other.

    A last click that took another mask, because it was negative and deep inside, might have meant
    a hole: the mask with the hole comes second. Nothing is returned if there are no such clicks,
    or nothing that could be corrected.
    """
    mask: Candidate | None = None
    other: Candidate | None = None
    for count in range(_first(said), len(said)):
        if mask is None:
            mask = next(iter(_Group.of(said[:count]).ranked(answers)), None)
        if mask is not None:
            prompt, evidence = said[count]
            group = _Group.of(said[: count + 1])
            for click in evidence.clicks:
                other = None
                if not prompt.positive and holds(mask, click) and is_deep(mask, click):
                    other = with_hole(mask, click, answers.under[click], group.centres)
                mask = _corrected(mask, click, prompt.positive, group, answers)
    return [each for each in (mask, other) if each is not None and each.area]


def _first(said: Said) -> int:
    """Return how many prompts give the first mask: up to a positive one, and all areas."""
    is_positive = [prompt.positive for prompt, _ in said]
    areas = [number for number, (prompt, _) in enumerate(said, 1) if prompt.kind not in _CLICKS]
    return max([is_positive.index(True) + 1, *areas])


def _corrected(
    mask: Candidate, click: Point, positive: bool, group: _Group, answers: _Answers
) -> Candidate:
    """Correct a mask where it does not agree with the last click of a group."""
    if holds(mask, click) == positive:
        return mask
    pool = group.pool(answers)
    if positive:
        return extended(mask, click, pool, group.unwanted)
    right = [each for each in pool if group.is_right(each)]
    if not is_deep(mask, click):
        return trimmed(mask, click, right, group.centres)
    if right:
        return max(right, key=group.rank)
    return cut(mask, click, answers.under[click], group.centres)
