"""Matching of terms with words that may differ in case."""

import pytest

from skrnn.text.term_matcher import TermMatcher


@pytest.mark.parametrize(
    ("words", "term", "taken"),
    [
        (["USA", "usa", "Usa"], "USA", "USA"),
        (["USA", "Usa", "usa"], "uSA", "usa"),
        (["Usa", "USA"], "usa", "Usa"),
        (["UsA"], "usa", "UsA"),
        (["Éa"], "éa", "Éa"),
        (["us"], "usa", None),
        (["e\u0301", "\u00e9"], "\u00e9", "\u00e9"),
        (["e\u0301", "\u00e9"], "e\u0301", "e\u0301"),
        (["\u1ecd\u0302", "o\u0302\u0323"], "\u00f4\u0323", "\u1ecd\u0302"),
        (["E\u0301", "e\u0301"], "\u00e9", "e\u0301"),
        (["\u00e9", "E\u0301"], "\u00c9", "E\u0301"),
        (["E\u0301"], "\u00e9", "E\u0301"),
        (["e"], "\u00e9", None),
    ],
)
def test_a_term_prefers_itself_then_an_equivalent_word_then_its_lower_case_then_another_case(
    words, term, taken
):
    for other in ([], ["usa"], ["USA"]):  # other terms have no influence
        matcher = TermMatcher(dict.fromkeys([term, *other]))
        best = [word for word in words if 0 in matcher.match(word)]
        assert (best[-1] if best else None) == taken
        assert matcher.found[0] == (taken is not None)
