"""Vector files: every format is read, and errors name the place at which a file is damaged."""

import gzip
import io
import lzma
import re
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.text import vector_files
from skrnn.text.vector_files import read_all_vectors, read_vectors

WORDS, MATRIX = ["the", "film", "né", "映画"], np.arange(12, dtype=np.float32).reshape(4, 3) / 8


def glove(words, matrix):
    rows = (" ".join([word, *map(repr, row)]) for word, row in zip(words, matrix.tolist(), strict=True))
    return "".join(f"{row}\n" for row in rows).encode()


def word2vec(words, matrix):
    return b"%d %d\n" % matrix.shape + glove(words, matrix)


def fasttext(words, matrix):
    return word2vec(words, matrix).replace(b"\n", b" \n").replace(b" \n", b"\n", 1)


def binary(words, matrix, end=b"\n"):
    rows = zip(words, matrix.astype("<f4"), strict=True)
    return b"%d %d\n" % matrix.shape + b"".join(
        word.encode() + b" " + row.tobytes() + end for word, row in rows
    )


def binary_of_gensim(words, matrix):
    return binary(words, matrix, end=b"")


def zipped(data):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("vectors", data)
        return file.getvalue()


FORMATS = [glove, word2vec, fasttext, binary, binary_of_gensim]
PACKED = {"plain": bytes, "gzip": gzip.compress, "xz": lzma.compress, "zip": zipped}


@pytest.fixture
def written(tmp_path):
    def write(data, name="vectors"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read_plain_and_compressed(written, form, packed):
    path = written(PACKED[packed](form(WORDS, MATRIX)))
    words, matrix = read_all_vectors(path)
    assert words == WORDS and matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, MATRIX)
    matrix, found = read_vectors(str(path), ["映画", "plot", "THE"])
    np.testing.assert_array_equal(matrix, [MATRIX[3], [0, 0, 0], MATRIX[0]])
    assert found.tolist() == [True, False, True] and matrix.dtype == np.float32


TABLES = st.integers(1, 12).flatmap(
    lambda dim: st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1),
        st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=dim, max_size=dim),
        min_size=1,
        max_size=6,
    )
)


@given(table=TABLES, form=st.sampled_from(FORMATS))
def test_random_words_and_numbers_round_trip(tmp_path_factory, table, form):
    words, matrix = list(table), np.array(list(table.values()), dtype=np.float32)
    matrix[0, 0] = 0.0  # a zero byte, without which a few binary numbers may look like text
    path = tmp_path_factory.getbasetemp() / f"round_trip_{form.__name__}"
    path.write_bytes(form(words, matrix))
    read, numbers = read_all_vectors(path)
    assert read == words
    np.testing.assert_array_equal(numbers, matrix)
    numbers, found = read_vectors(path, words[::-1])
    np.testing.assert_array_equal(numbers, matrix[::-1])
    assert found.all()


def test_binary_rows_may_span_blocks(written, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK_BYTES", 5)
    words, matrix = read_all_vectors(written(binary(WORDS, MATRIX)))
    assert words == WORDS
    np.testing.assert_array_equal(matrix, MATRIX)


def test_words_in_text_files_may_have_spaces(written):
    words, matrix = read_all_vectors(written(b"the 1 2\nat name@domain.com 3 4\n. . 5 6\n"))
    assert words == ["the", "at name@domain.com", ". ."]
    assert matrix.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_windows_line_ends_and_empty_lines_are_ignored(written):
    assert read_all_vectors(written(b"2 2\r\na 1 2\r\n\r\nb 3 4"))[1].tolist() == [[1, 2], [3, 4]]


def test_text_with_a_header_and_long_lines_is_not_taken_for_binary(written):
    """The first line is longer than the sample that tells text from binary."""
    matrix = np.full((2, 2000), 1 / 3, dtype=np.float32)
    assert read_all_vectors(written(word2vec(["é", "b"], matrix)))[1].shape == (2, 2000)


def test_the_first_vector_of_a_repeated_word_is_kept(written):
    path = written(b"a 1 1\nb 2 2\na 3 3\n")
    assert read_all_vectors(path)[0] == ["a", "b"]
    assert read_vectors(path, ["a"])[0].tolist() == [[1, 1]]


def test_terms_that_differ_in_case_share_one_vector(written):
    matrix, found = read_vectors(written(b"apple 1 2\n"), ["apple", "Apple", "APPLE"])
    assert found.all() and (matrix == [1, 2]).all()


TEXT = glove(WORDS, MATRIX)
BINARY = binary(WORDS, MATRIX)


DAMAGED = {
    "empty": (b"", "line 1: expected a word and its numbers"),
    "word alone": (b"the\n", "line 1: expected a word and its numbers"),
    "words": (b"the film is good\n", "line 1: expected a word and its numbers"),
    "no words in header": (b"0 3\nthe 1 2 3\n", "line 1: the number of words .* Got b'0 3'"),
    "no numbers in header": (b"3 0\nthe\n", "line 1: the number of words"),
    "narrow line": (
        b"the 1 2\nfilm 3\n",
        r"line 2: expected a word and 2 number\(s\), as line 1 has. Got 1 number\(s\): b'film 3'",
    ),
    "wide line": (b"the 1 2\n\nfilm 3 4 5\n", r"line 3: expected a word and 2 .* Got 3 number"),
    "not as the header": (
        b"1 2\nthe 1 2 3\n",
        r"line 2: expected .* as the header says. Got 3 number",
    ),
    "no word": (b"the 1 2\n0.5 4\n", "line 2: expected a word and 2"),
    "no number": (b"the 1 2\nfilm 3 x\n", r"line 2: expected 2 number\(s\) after 'film'"),
    "nan": (b"the 1 2\nfilm nan 1\n", "line 2: the vector of 'film' must have finite float32 values"),
    "too large": (b"the 1 2\nfilm 1e39 1\n", "line 2: the vector of 'film'"),
    "latin-1": (b"the 1 2\nn\xe9 1 2\n", r"line 2: expected a word in UTF-8. Got b'n\\xe9'"),
    "latin-1, header": (b"2 2\nthe 1 2\nn\xe9 1 2\n", "line 3: expected a word in UTF-8"),
    "binary cut in a vector": (BINARY[:-2], "ends at byte 74, inside word 4 of the 4"),
    "binary cut in a word": (BINARY[:22], "ends at byte 22, inside word 2 of"),
    "binary, wider": (b"4 9" + BINARY[3:], "ends at byte 76, inside word 2"),
    "binary, header alone": (BINARY[:4], "ends after line 1, but its header promises 4 words"),
    "binary goes on": (BINARY + b"x", "byte 75: the file continues after the 4 words"),
    "binary latin-1": (
        BINARY.replace(b"film", b"f\xe9lm"),
        r"byte 21: expected a word .* Got b'f\\xe9lm'",
    ),
    "binary inf": (
        b"1 1\na " + struct.pack("<f", np.inf),
        "byte 4: the vector of 'a' must have finite",
    ),
    "not binary": (b"9 9\n" + b"\x01" * 200_000, "byte 4: expected a word"),
    "gzip cut": (gzip.compress(TEXT)[:-12], "cannot be decompressed: .* Check that the file is complete"),
    "gzip damaged": (b"\x1f\x8b" + TEXT, "cannot be decompressed: .* Check that the file is complete"),
    "xz cut": (lzma.compress(TEXT)[:-12], "cannot be decompressed: .* Check that the file is complete"),
    "zip damaged": (b"PK\x03\x04" + TEXT, "cannot be decompressed: .* Check that the file is complete"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_errors_name_the_place_of_the_damage(written, case):
    data, message = DAMAGED[case]
    path = written(data)
    with pytest.raises(ValueError, match=message) as refused:
        read_all_vectors(path)
    assert str(refused.value).startswith(str(path))
    terms = ["the", "film", "né", "f\xe9lm", "a"]
    with pytest.raises(ValueError, match=message):
        read_vectors(path, terms)


def test_an_archive_with_several_files_is_refused(tmp_path):
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.50d.txt", TEXT)
        archive.writestr("a.100d.txt", TEXT)
    with pytest.raises(ValueError, match=r"must hold one file. Got 2 files \(a.50d.txt, a.100d.txt\)"):
        read_all_vectors(path)


def test_words_in_another_encoding_are_read_on_request(written):
    path = written(b"n\xe9 1 2\nthe 3 4\n")
    assert read_all_vectors(path, errors="replace")[0] == ["n\ufffd", "the"]
    assert read_all_vectors(path, errors="ignore")[0] == ["n", "the"]


@pytest.mark.parametrize("n", [1, 3])
def test_a_header_with_a_wrong_number_of_words_causes_a_warning(written, n):
    path = written(b"%d 2\nthe 1 2\nfilm 3 4\n" % n)
    with pytest.warns(UserWarning, match=f"has 2 words, but its header promises {n}"):
        assert read_all_vectors(path)[0] == ["the", "film"]


def test_rows_of_other_words_are_not_parsed(written):
    assert read_vectors(written(b"the 1 2\nfilm x y\n"), ["the"])[0].tolist() == [[1, 2]]


def test_progress_is_written_when_verbose(written, capsys, monkeypatch):
    monkeypatch.setattr(vector_files, "PROGRESS_SECONDS", 0.0)
    path = written(word2vec([f"w{i}" for i in range(2100)], np.ones((2100, 1), np.float32)))
    read_vectors(path, ["w0", "w1500", "x", "W1"])
    assert capsys.readouterr().out == ""
    read_vectors(path, ["w0", "w1500", "x", "W1"], verbose=1)
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "[vectors] 1,024 of 2,100 vectors read, 2 kept"
    assert second == "[vectors] 2,048 of 2,100 vectors read, 3 kept"
    assert re.fullmatch(r"\[vectors\] 2,100 vectors read in \d+\.\d s, 3 of 4 terms found", last)


def test_the_file_is_closed(written):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for pack in PACKED.values():
            read_all_vectors(written(pack(TEXT)))
    assert not caught
