"""Whatever befalls a result file on its way, it is read or refused by name."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storaged.errors import BadResultFile
from storaged.ingest.plist import read_plist
from tests.plists import control, diagnostic, event, place, plist

WHOLE = plist(
    diagnostic(
        path=[control((place(1, 1), place(1, 2)), (place(2, 1), place(2, 2))), event(2, 3, ranges=[[place(2, 3)] * 2])],
        notes=[{"location": place(4, 4), "message": "n"}],
        macro_expansions=[{"location": place(1, 1, 1), "name": "ASSERT", "expansion": "if (x)"}],
        **{"report-annotation": {"testcase": "größer"}},
    ),
    metadata={"analyzer": {"name": "clangsa"}},
)
ENDS = WHOLE.rindex(b"</plist>") + len(b"</plist>")


@settings(deadline=None)
@given(st.integers(0, ENDS - 1))
def test_a_result_file_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(BadResultFile, match=r"^x\.plist: "):
        read_plist("x.plist", WHOLE[:length])


@settings(deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 80), st.binary(max_size=8))
def test_a_damaged_result_file_raises_nothing_but_its_fault(start: int, length: int, instead: bytes) -> None:
    with contextlib.suppress(BadResultFile):
        read_plist("x.plist", WHOLE[:start] + instead + WHOLE[start + length :])


PLIST_VALUES = st.recursive(
    st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False) | st.text("ab0", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*diagnostic()]), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.sampled_from([*diagnostic(), "notes", "macro_expansions", "report-annotation"]), PLIST_VALUES)
def test_a_value_of_any_type_in_any_place_raises_nothing_but_its_fault(key: str, value: object) -> None:
    with contextlib.suppress(BadResultFile):
        read_plist("x.plist", plist(diagnostic(**{key: value})))
