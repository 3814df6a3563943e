"""Random walks: sequences of stores whose steps are drawn from a pool of edits, the same ones for the same seed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from typing import Final

from .sequences import (
    HASH_KEY,
    Edit,
    Project,
    Step,
    StoreSequence,
    all_of,
    annotated,
    read_plist,
    restored,
    skipping,
    unchanged,
    with_checker,
    with_lines,
    with_results,
    with_second_folder,
    with_source_text,
    with_value,
    without_checker,
    without_diagnostics,
    without_results,
    write_plist,
)

RESULTS: Final = ("main.cpp_*", "recipe.cpp_*", "shelf.cpp_*", "*_clangsa_*", "*_clang-tidy_*", "*_cppcheck_*")
SOURCES: Final = ("main.cpp", "recipe.cpp", "shelf.cpp", "shelf.h", "units.h")
CHECKERS: Final = (
    "bugprone-*",
    "clang-diagnostic-*",
    "core.*",
    "core.DivideZero",
    "cplusplus.Move",
    "cplusplus.*",
    "cppcheck-*",
    "deadcode.DeadStores",
)
HASHES: Final = ("0123456789abcdef" * 2, "fedcba9876543210" * 2, "not an MD5")
TAGS: Final = (None, None, "v1", "v2")
TRIMS: Final[tuple[tuple[str, ...], ...]] = (*[()] * 9, ("{root}/src",), ("{root}",), ("/*/src",))
BACK: Final = ("restored", "with results")
"""Edits that are drawn oftener, so that what is gone has a chance to come back."""


def random_walk(seed: int, steps: int) -> StoreSequence:
    """A first store of the untouched sample, then `steps` random ones, each named by what was done."""
    draw = random.Random(seed)
    drawn = [_step(number, draw) for number in range(1, steps + 1)]
    return StoreSequence(f"walk {seed}", (Step("0 first", unchanged), *drawn))


def _step(number: int, draw: random.Random) -> Step:
    kind = draw.choice([*POOL, *BACK, *BACK])
    told, edit = POOL[kind](draw)
    force = draw.random() < 0.05
    tag, trim = draw.choice(TAGS), draw.choice(TRIMS)
    options = f"{' --force' if force else ''}{f' --tag {tag}' if tag else ''}{f' --trim {trim[0]}' if trim else ''}"
    return Step(f"{number} {kind} {told}{options}", all_of(edit, _with_some_results), tag=tag, force=force, trim=trim)


Drawn = tuple[str, Edit]
"""What was drawn for an edit, in words, and the edit."""


def _of(make: Callable[[str], Edit], choices: tuple[str, ...]) -> Callable[[random.Random], Drawn]:
    def draw_one(draw: random.Random) -> Drawn:
        chosen = draw.choice(choices)
        return chosen, make(chosen)

    return draw_one


def _checker_gone(make: Callable[[str], Edit]) -> Callable[[str], Edit]:
    return lambda checker: all_of(make(checker), without_diagnostics(checker))


def _more_lines(draw: random.Random) -> Drawn:
    source, count, before = draw.choice(SOURCES), draw.randint(1, 3), draw.randint(1, 12)
    return f"{source} {count} before {before}", with_lines(source, count, before)


def _one_hash(draw: random.Random) -> Drawn:
    checker, report_hash = draw.choice(CHECKERS), draw.choice(HASHES)
    return f"{checker} {report_hash}", with_value(checker, HASH_KEY, report_hash)


def _annotated(draw: random.Random) -> Drawn:
    checker, case = draw.choice(CHECKERS), draw.choice(("dinner", "breakfast"))
    return f"{checker} {case}", annotated(checker, testcase=case)


def _copied_source(source: str) -> Edit:
    """Let the results name a copy of a source in another folder; the old one stays for results that come back."""

    def edit(project: Project) -> None:
        old, new = project.root / "src" / source, project.root / "src" / "moved" / source
        new.parent.mkdir(exist_ok=True)
        shutil.copyfile(old, new)
        for result in project.results():
            plist = read_plist(result)
            plist["files"] = [str(new) if file == str(old) else file for file in plist["files"]]
            write_plist(result, plist)

    return edit


def _doubled_results(pattern: str) -> Edit:
    """The same results once more, under other names."""

    def edit(project: Project) -> None:
        for path in project.results(pattern):
            shutil.copyfile(path, path.with_name(f"again_{path.name}"))

    return edit


def _with_some_results(project: Project) -> None:
    """storectl refuses folders without result files."""
    if not project.results() or not all(any(folder.glob("*.plist")) for folder in project.folders()):
        restored(project)


POOL: Final[dict[str, Callable[[random.Random], Drawn]]] = {
    "unchanged": lambda _: ("", unchanged),
    "restored": lambda _: ("", restored),
    "without results": _of(without_results, RESULTS),
    "with results": _of(with_results, RESULTS),
    "doubled results": _of(_doubled_results, RESULTS),
    "second folder": _of(with_second_folder, RESULTS),
    "without diagnostics": _of(without_diagnostics, CHECKERS),
    "disabled": _of(_checker_gone(lambda checker: with_checker(checker, False)), CHECKERS),
    "disabled but reported": _of(lambda checker: with_checker(checker, False), CHECKERS),
    "enabled": _of(lambda checker: with_checker(checker, True), CHECKERS),
    "unknown": _of(_checker_gone(without_checker), CHECKERS),
    "more lines": _more_lines,
    "moved": _of(_copied_source, SOURCES),
    "other text": _of(lambda source: with_source_text(source, "// some more\n"), SOURCES),
    "one hash": _one_hash,
    "annotated": _annotated,
    "skipping": _of(lambda source: skipping(f"-*/{source}"), SOURCES),
}
