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
    ],
)
def test_a_term_prefers_itself_then_its_lower_case_then_the_first_word_in_another_case(words, term, taken):
    for other in ([], ["usa"], ["USA"]):  # other terms have no influence
        matcher = TermMatcher(dict.fromkeys([term, *other]))
        best = [word for word in words if 0 in matcher.match(word)]
        assert (best[-1] if best else None) == taken
        assert matcher.found[0] == (taken is not None)
