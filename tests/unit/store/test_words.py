"""Words as the full text holds them: one spelling, one tenant."""

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.store.words import (
    MAX_LENGTH,
    MAX_WORDS,
    indexed,
    tenant_code,
    words_in,
    words_of,
)


def test_case_accents_and_signs_do_not_matter():
    assert words_in("Café, CAFE\u0301; cafe_ZX-41") == ["cafe", "cafe", "cafe", "zx", "41"]
    assert words_in("Straße") == words_in("STRASSE")


def test_other_letters_are_words_too():
    (word,) = words_in("漢字")
    assert word.isascii()
    assert word.isalnum()
    assert words_in("Привет")[0] != words_in("привез")[0]


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lo", "Mn", "Nd"])))
def test_any_text_gives_ascii_words_that_the_index_does_not_split(text):
    for word in words_in(text):
        assert word.isascii()
        assert word.isalnum()
        assert word == word.lower()
    assert indexed("code", text).split() == [f"code{word}" for word in words_in(text)]


def test_a_query_is_bounded():
    assert len(words_of(" ".join(f"w{n}" for n in range(1000)))) == MAX_WORDS
    assert words_of("x" * 1000) == ["x" * MAX_LENGTH]
    assert words_of("a b a") == ["a", "b"]
    assert words_of("\0\ud800 '\"*") == []


def test_tenants_have_codes_of_their_own():
    codes = {tenant_code(f"tenant {n}") for n in range(1000)}
    assert len(codes) == 1000
    assert all(code.isascii() and code.isalpha() and code.islower() for code in codes)
    assert tenant_code("\ud800")
