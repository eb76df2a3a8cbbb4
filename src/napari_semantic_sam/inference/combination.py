"""Several prompts for one object: one list of candidates that agree with all of them.

The network knows one click or one box and answers each on its own; what is done with the
answers is plain geometry, described for users in docs/prompts.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.inference.evidence import Evidence, Point, holds, read_evidence
from napari_semantic_sam.inference.levels import first_distinct, with_repaired_levels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate, CroppedMask, around, tight

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor

Answers = tuple[Candidate, ...]


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
    embedding: PictureEmbedding,
    prompts: Sequence[Prompt],
    labels: Mapping[Prompt, CroppedMask] | None = None,
) -> Combined:
    """Ask the network about every prompt of one object, and put the answers together.

    All answers form one pool, ranked by agreement with the positive prompts × predicted IoU
    (a single click or box: by predicted IoU alone, as the network gives it). Areas of
    negative boxes, lassos and labels are cut out of every mask. A mask that holds a negative
    click is excluded; where none is left that agrees with a positive prompt, the smallest
    structure under the negative click is cut out of the best excluded one. If no mask holds
    every positive click, the best one is joined with the best ones of the other clicks.

    Parameters
    ----------
    predictor : Predictor
    embedding : PictureEmbedding
        From the same predictor.
    prompts : sequence of Prompt
        Of one object. Without a positive one there are no candidates.
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
    group = _Group.of(prompts, embedding.shape, labels or {})
    if not group.wanted:
        return Combined()
    answers, structures = _ask(predictor, embedding, group)
    finest = len(answers[0])
    pool = [group.without_areas(each) for answer in answers for each in answer]
    proposals = _joined(group, _allowed(group, pool, structures))
    ranked = sorted(proposals, key=group.rank, reverse=True)
    found = with_repaired_levels(first_distinct(ranked, finest), finest)
    ranks = [group.rank(each) for each in found]
    best = ranks.index(max(ranks)) if ranks else 0
    return Combined(found, best, tuple(group.agreement(each) for each in found))


@dataclass(frozen=True, eq=False)
class _Group:
    """The prompts of one object.

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
    def of(
        cls, prompts: Sequence[Prompt], shape: tuple[int, int], labels: Mapping[Prompt, CroppedMask]
    ) -> _Group:
        said = [(each, read_evidence(each, shape, labels.get(each))) for each in prompts]
        negative = [evidence for prompt, evidence in said if not prompt.positive]
        return cls(
            wanted=tuple(evidence for prompt, evidence in said if prompt.positive),
            unwanted=tuple(click for evidence in negative for click in evidence.clicks),
            areas=tuple(each.area for each in negative if each.area is not None),
            is_single=len(prompts) == 1 and prompts[0].kind in ("click", "box"),
        )

    @property
    def clicks(self) -> tuple[Point, ...]:
        """The positive ones."""
        return tuple(click for evidence in self.wanted for click in evidence.clicks)

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

    def without_areas(self, candidate: Candidate) -> Candidate:
        for area in self.areas:
            candidate = _minus(candidate, area)
        return candidate


def _ask(
    predictor: Predictor, embedding: PictureEmbedding, group: _Group
) -> tuple[list[Answers], dict[Point, Answers]]:
    """Return the answers to the positive prompts, and those to each negative click."""
    boxes = [evidence.box for evidence in group.wanted if evidence.box is not None]
    points = [*group.clicks, *group.unwanted]
    results = [each.candidates for each in predictor.predict(embedding, points, boxes)]
    split = len(group.clicks)
    structures = results[split : len(points)]
    return (
        results[:split] + results[len(points) :],
        dict(zip(group.unwanted, structures, strict=True)),
    )


def _allowed(
    group: _Group, pool: Sequence[Candidate], structures: Mapping[Point, Answers]
) -> list[Candidate]:
    """Return those without a negative click; if none of them is wanted, a corrected one."""
    allowed = [each for each in pool if each.area and group.is_allowed(each)]
    excluded = [each for each in pool if not group.is_allowed(each)]
    if excluded and not any(group.agreement(each) for each in allowed):
        corrected = _corrected(group, max(excluded, key=group.rank), structures)
        allowed += [corrected] if corrected.area else []
    return allowed


def _corrected(
    group: _Group, candidate: Candidate, structures: Mapping[Point, Answers]
) -> Candidate:
    """Cut the smallest structure under every negative click out of a candidate."""
    for click in group.unwanted:
        if not holds(candidate, click):
            continue
        for structure in sorted(structures[click], key=lambda each: each.area):
            if holds(structure, click) and not any(holds(structure, c) for c in group.clicks):
                rest = _minus(candidate, structure)
                if rest.area:
                    candidate = rest
                    break
        else:  # the network sees nothing there that is apart from what is wanted
            candidate = _minus(candidate, _nearer(group, candidate, click))
    return candidate


def _nearer(group: _Group, mask: CroppedMask, click: Point) -> CroppedMask:
    """Return the pixels of a mask that are nearer to a click than to any positive prompt."""
    y0, x0, y1, x1 = mask.box
    rows, columns = np.ogrid[y0:y1, x0:x1]
    nearer = mask.crop
    for y, x in (centre for evidence in group.wanted for centre in evidence.centres):
        # Squared distances differ by a term of the row and one of the column.
        in_rows = (rows - click[0]) ** 2 - (rows - y) ** 2
        in_columns = (columns - x) ** 2 - (columns - click[1]) ** 2
        nearer = nearer & (in_rows < in_columns)
    return CroppedMask(*tight(nearer, y0, x0), mask.shape)


def _joined(group: _Group, allowed: list[Candidate]) -> list[Candidate]:
    """Add a union where no candidate holds every positive click."""
    ranked = sorted(allowed, key=group.rank, reverse=True)
    if not ranked or any(all(holds(each, c) for c in group.clicks) for each in ranked):
        return ranked
    members = [ranked[0]]
    for click in group.clicks:
        if not any(holds(member, click) for member in members):
            members += [each for each in ranked if holds(each, click)][:1]
    return [*ranked, _union(members)]


def _union(members: Sequence[Candidate]) -> Candidate:
    """Join masks; the largest gives token and level, the scores are means."""
    box = around(member.box for member in members)
    return replace(
        max(members, key=lambda each: each.area),
        box=box,
        crop=np.logical_or.reduce([member.window(box) for member in members]),
        predicted_iou=sum(each.predicted_iou for each in members) / len(members),
        stability=sum(each.stability for each in members) / len(members),
    )


def _minus(candidate: Candidate, taken: CroppedMask) -> Candidate:
    """Cut a mask out of a candidate; the same one where they do not meet."""
    y0, x0, y1, x1 = candidate.box
    if y1 <= taken.box[0] or taken.box[2] <= y0 or x1 <= taken.box[1] or taken.box[3] <= x0:
        return candidate
    box, crop = tight(candidate.crop & ~taken.window(candidate.box), y0, x0)
    return replace(candidate, box=box, crop=crop)
