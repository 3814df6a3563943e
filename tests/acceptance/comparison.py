"""CodeChecker and storaged beside each other: the same sequences of stores played in both, and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from .codechecker import CodeChecker, Report, Store
from .sequences import Stage, StoreSequence, play, unpack
from .storaged_system import Storaged


class Pair(NamedTuple):
    """What both have after one step."""

    ours: Stage
    theirs: Stage


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both systems running; each sequence is played once, whoever asks."""

    codechecker: CodeChecker
    storaged: Storaged
    folder: Path
    _played: dict[str, list[Pair]] = field(default_factory=dict)
    _ahead: dict[str, Future[list[Pair]]] = field(default_factory=dict)

    @contextmanager
    def playing_ahead(self, sequences: Iterable[StoreSequence]) -> Iterator[None]:
        """Meanwhile play them beside the tests, which mostly wait for one of the systems; these are their own runs."""
        thread = ThreadPoolExecutor(1)
        try:
            self._ahead.update({each.name: thread.submit(list, self.steps(each)) for each in sequences})
            yield
        finally:
            thread.shutdown(cancel_futures=True)

    def play(self, sequence: StoreSequence) -> list[Pair]:
        """Both systems' stages, step by step."""
        if sequence.name not in self._played:
            ahead = self._ahead.get(sequence.name)
            if ahead is None or ahead.cancel():  # it has not begun
                self._played[sequence.name] = list(self.steps(sequence))
            else:
                self._played[sequence.name] = ahead.result()
        return self._played[sequence.name]

    def steps(self, sequence: StoreSequence) -> Iterator[Pair]:
        """Play a sequence that nobody else asks for, step by step."""
        project = unpack(self.folder / sequence.name.replace(" ", "-"))
        for each in play(sequence, project, [self.storaged, self.codechecker]):
            yield Pair(*each)

    def theirs(self, sequence: StoreSequence) -> dict[str, Stage]:
        """What CodeChecker has after each step, by the step's name."""
        return {pair.theirs.step.name: pair.theirs for pair in self.play(sequence)}

    def ours(self, sequence: StoreSequence) -> dict[str, Stage]:
        """What storaged has after each step, by the step's name."""
        return {pair.ours.step.name: pair.ours for pair in self.play(sequence)}


def differences(pair: Pair) -> list[str]:
    """Where the two are not the same after a step, for people to read; empty when they agree."""
    return [*_outcomes(pair), *_reports(pair), *_histories(pair), *_durations(pair)]


def _outcomes(pair: Pair) -> Iterator[str]:
    ours, theirs = pair.ours.outcome, pair.theirs.outcome
    if ours["status"] != theirs["status"]:
        yield f"the store is {ours['status']}, theirs {theirs['status']}: {ours} / {theirs}"


def _reports(pair: Pair) -> Iterator[str]:
    """Matched by what they say, so that one difference is told as one."""
    ours, theirs = ([_seen(stage, report) for report in stage.reports] for stage in pair)
    extra = [one for one in ours if one not in theirs]
    missing = [one for one in theirs if one not in ours]
    if len(ours) != len(theirs):
        yield f"{len(ours)} reports, theirs {len(theirs)}"
    for mine, its in zip_longest(extra, missing):
        if mine is None or its is None or mine["report_hash"] != its["report_hash"]:
            yield f"only ours: {mine}; only theirs: {its}"
        else:
            fields = {key: (mine[key], its[key]) for key in mine if mine[key] != its[key]}
            yield f"{mine['checker']} {mine['report_hash']} (ours, theirs): {fields}"


def _seen(stage: Stage, report: Report) -> dict[str, Any]:
    """A report without what cannot be the same in two systems: its id, and times, which become the steps' names."""
    own = {"id", "detected_at", "fixed_at", "detection_status", "review_status"}
    return {**{key: value for key, value in report.items() if key not in own}, "row": stage.row(report)}


def _histories(pair: Pair) -> Iterator[str]:
    """The stores that both have; what only one of them took is told by the outcome of its step."""
    both = set(pair.ours.moments.values()) & set(pair.theirs.moments.values())
    ours, theirs = ([_entry(*each) for each in stage.stores() if each[0] in both] for stage in pair)
    if ours != theirs:
        yield f"history {ours}, theirs {theirs}"


def _entry(step: str, store: Store) -> tuple[Any, ...]:
    # Without metadata.json theirs has no version, ours the one of the client; the analyzers tell which it was.
    version = store["version"] if store["analyzers"] else None
    return step, store["tag"], store["description"], version, store["analyzers"]


def _durations(pair: Pair) -> Iterator[str]:
    """Theirs is cut to whole seconds for each of at most two folders, and 0 where ours says that nobody knows."""
    ours, theirs = pair.ours.duration, pair.theirs.duration
    agree = 0 <= ours - theirs < 2 if ours and theirs else not ours and not theirs
    if not agree:
        yield f"the analysis took {ours} s, theirs {theirs} s"
