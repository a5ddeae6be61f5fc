"""Vector files: every format is read, and errors name the place at which a file is damaged."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import re
import struct
import sys
import tarfile
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.text import binary_vectors, vector_files
from skrnn.text.vector_files import read_all_vectors, read_vectors
from skrnn.text.vectors import vectors_of_terms

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
PACKED = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}


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
    monkeypatch.setattr(binary_vectors, "BLOCK_BYTES", 5)
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
    "underscore": (b"the 1 2\nfilm 1_0 2\n", r"line 2: expected 2 number\(s\) after 'film': .*b'1_0'"),
    "hexadecimal": (b"the 1 2\nfilm 0x1F 2\n", r"line 2: expected 2 number\(s\) after 'film'"),
    "decimal commas": (b"the 0,1 0,2\n", "line 1: got b'the 0,1 0,2'. Values must .* decimal points"),
    "commas": (b"the,0.1,0.2\n", "line 1: .* Values must be separated by spaces or tabs"),
    "commas and spaces": (b"the, 0.1, 0.2\n", "line 1: .* Values must be separated by spaces or tabs"),
    "comma after the word": (b"the,0.1 0.2\n", "line 1: .* Values must be separated by spaces or tabs"),
    "semicolons": (b"the;0.1;0.2\n", "line 1: .* Values must be separated by spaces or tabs"),
    "no word before a space": (b"the 1 2\n 3 4\n", "line 2: expected a word and 2"),
    "a word of two spaces": (b"the 1 2\n   3 4\n", "line 2: expected a word and 2"),
    "line ends of old Macs": (b"the 1 2\rfilm 3 4\r", r"line 1: lines must end in \\n or \\r\\n"),
    "NUL": (b"the 1 2\nfi\x00lm 3 4\n", "line 2: expected a word .* Got b'fi"),
    "header too wide": (b"1 9999999\nthe 1\n", "line 1: .* the latter at most 1048576. Got b'1 9999999'"),
    "header too narrow": (b"2 1\nthe .1 .2\nfilm .3 .4\n", r"line 2: .* as the header says. Got 2 number"),
    "most lines are wider": (b"film 3\nthe 1 2\nbad 1 2\n", "line 1: .* as most lines have. Got 1"),
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
    "bzip2 cut": (bz2.compress(TEXT)[:-12], "cannot be decompressed: .* Check that the file is complete"),
    "bzip2 damaged": (
        bz2.compress(TEXT)[:20] + bytes(30),
        "cannot be decompressed: .* Check that the file is complete",
    ),
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
    terms = ["the", "film", "né", "f\xe9lm", "a", "fi\0lm"]
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


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"good\t0.1 0.2\nbad\t0.3 0.4\n", ["good", "bad"]),
        (b"good\t0.1\t0.2\nbad\t0.3\t0.4\n", ["good", "bad"]),
        (b"2 2\n good 0.1 0.2\n\tbad 0.3 0.4\n", ["good", "bad"]),
        (b"good  0.1   0.2  \r\nbad \t 0.3 0.4 \t\n", ["good", "bad"]),
        (b"\n\r\ngood 0.1 0.2\n\nbad 0.3 0.4", ["good", "bad"]),
        (b"\xef\xbb\xbfgood 0.1 0.2\nbad 0.3 0.4\n", ["good", "bad"]),
        (b"\xef\xbb\xbf2 2\ngood 0.1 0.2\nbad 0.3 0.4\n", ["good", "bad"]),
        (b"2 2\nwindows 95 .1 .2\nat 5 .3 .4\n", ["windows 95", "at 5"]),
        (b"2 2\nwindows 3.1 .1 .2\nbad .3 .4\n", ["windows 3.1", "bad"]),
        (b"windows 95 .1 .2\nbad .3 .4\n", None),  # no width has more lines than the other
        (b"bad .1 .2\nwindows 95 .3 .4\n", ["bad", "windows 95"]),
        (b"  0.1 0.2\n\t 0.3 0.4\n", [" ", "\t"]),
        (b"2 2\n  0.1 0.2\n\t\t0.3\t0.4\n", [" ", "\t"]),
        ("a\u00a0b .1 .2\nc\u3000d .3 .4\n".encode(), ["a\u00a0b", "c\u3000d"]),
        ("\u0085 .1 .2\nx\u2028y .3 .4\n".encode(), ["\u0085", "x\u2028y"]),
        (b"1,000 .1 .2\n10,5 .3 .4\n", ["1,000", "10,5"]),
    ],
)
def test_separators_and_spaces_in_words_cost_no_dimension(written, data, words):
    path = written(data)
    if words is None:
        with pytest.raises(ValueError, match=r"line 2: expected a word and 3 number\(s\), as line 1 has"):
            read_all_vectors(path)
        return
    read, matrix = read_all_vectors(path)
    assert read == words
    np.testing.assert_array_equal(matrix, np.array([[0.1, 0.2], [0.3, 0.4]], np.float32))
    np.testing.assert_array_equal(read_vectors(path, words)[0], matrix)


def test_the_width_of_most_lines_counts_without_a_header(written):
    path = written(b"windows 95 .1 .2\nbad .3 .4\ngood .5 .6\n")
    words, matrix = read_all_vectors(path)
    assert words == ["windows 95", "bad", "good"] and matrix.shape == (3, 2)


def words_with_spaces(rng, n):
    """Return words of one to three parts, most of them of letters."""
    signs = "abcdefghijklmnopqrstuvwxyz" * 4 + "ABCDEFGHIJ0123456789.'-éбл好"
    letters = "".join(signs[i] for i in rng.integers(len(signs), size=24 * n))
    lengths, n_parts = rng.integers(1, 9, size=3 * n), rng.choice([1, 1, 2, 3], size=n)
    parts = [letters[8 * i :][:length] for i, length in enumerate(lengths)]
    return list(dict.fromkeys(" ".join(parts[3 * i :][: n_parts[i]]) for i in range(n)))


@pytest.mark.parametrize("form", [binary, binary_of_gensim])
def test_spaces_in_words_of_binary_files_never_lead_to_wrong_vectors(written, form):
    n_right = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        words = words_with_spaces(rng, rng.integers(2, 30))
        dim = int(rng.choice([1, 2, 3, 4, 8, 50]))
        matrix = (rng.normal(size=(len(words), dim)) * rng.choice([0.1, 1, 10])).astype(np.float32)
        path = written(form(words, matrix))
        try:
            read, numbers = read_all_vectors(path)
        except ValueError as refused:
            assert dim < 4 and "save_word2vec_format(path, binary=False)" in str(refused)
            assert "errors=" not in str(refused)
            continue
        n_right += 1
        assert read == words
        np.testing.assert_array_equal(numbers, matrix)
    assert n_right > 150


def test_a_binary_file_may_have_words_that_are_spaces_or_empty(written):
    words = [" ", "a", "\t", "", "b"]
    matrix = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    for form in (binary, binary_of_gensim):
        read, numbers = read_all_vectors(written(form(words, matrix)))
        assert read == words
        np.testing.assert_array_equal(numbers, matrix)


def test_truncated_words_of_word2vec_are_read_on_request(written):
    """word2vec.c cuts long words within a character."""
    data = binary(["abc", "film"], MATRIX[:2] + 0.1).replace(b"abc", b"ab\xe3")
    assert read_all_vectors(written(data), errors="replace")[0] == ["ab\ufffd", "film"]
    with pytest.raises(ValueError, match=r"byte 4: expected a word in UTF-8. Got b'ab\\xe3'") as refused:
        read_all_vectors(written(data))
    assert "errors=" not in str(refused.value)


def tarred(data):
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            member = tarfile.TarInfo("vectors.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        return file.getvalue()


def saved(function, *arrays):
    with io.BytesIO() as file:
        function(file, *arrays)
        return file.getvalue()


def zip_of(*names):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        return file.getvalue()


OTHER_FORMATS = {
    "fastText model. .*gensim.models.fasttext.load_facebook_vectors": b"\xba\x16O/\x0c\0\0\0d\0\0\0 1",
    "Python pickle. .*gensim.models.KeyedVectors.load.*pickle.load": pickle.dumps({"the": [1.0]}),
    "NumPy array without words. .*numpy.load": saved(np.save, MATRIX),
    "NumPy array without words. Load it with numpy.load": saved(np.savez, MATRIX),
    "NumPy array without words. Load it .*numpy.load, and": saved(np.savez, MATRIX, MATRIX),
    "HDF5. .*h5py": b"\x89HDF\r\n\x1a\n\0\0",
    "safetensors. .*safetensors.numpy": b"\x10\0\0\0\0\0\0\0{}",
    "Parquet. .*pandas.read_parquet": b"PAR1\x15\x04\0",
    "Arrow. .*pandas.read_feather": b"ARROW1\0\0",
    "SQLite database": b"SQLite format 3\0",
    "PyTorch. .*torch.load": zip_of("model/data.pkl", "model/data/0"),
    "JSON. .*json.load": json.dumps({"the": [0.1, 0.2]}, indent=1).encode(),
    "tar archive. Extract": tarred(TEXT),
    "tar archive. Extract the vector file": gzip.compress(tarred(TEXT)),
    "compressed twice. Extract": gzip.compress(gzip.compress(TEXT)),
    "UTF-16 or UTF-32. Convert it to UTF-8": TEXT.decode().encode("utf-16"),
    "UTF-16 or UTF-32. Convert it": b"the 1 2\n".decode().encode("utf-16-le"),
    "HTML or XML page": b"<!DOCTYPE html>\n<html>",
    "pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
}


@pytest.mark.parametrize("message", OTHER_FORMATS)
def test_other_formats_are_named_with_the_way_to_load_them(written, message):
    path = written(OTHER_FORMATS[message])
    with pytest.raises(ValueError, match=f"has another format: {message}") as refused:
        read_all_vectors(path)
    assert str(refused.value).startswith(str(path))


def test_the_way_to_read_a_csv_file_works(written):
    path = written(b"the,0.1,0.2\nnull,0.3,0.4\n")
    frame = pd.read_csv(path, sep=",", header=None, index_col=0, na_filter=False)
    matrix, found = vectors_of_terms((frame.index, frame), ["null", "the"], owner="RNNTextEncoder")
    assert found.all()
    np.testing.assert_array_equal(matrix, np.array([[0.3, 0.4], [0.1, 0.2]], np.float32))


def test_words_that_look_like_the_start_of_another_format_are_read(written):
    for word in ("PAR1", "{", "<html", "BZh91", "ARROW1"):
        assert read_all_vectors(written(f"{word} 1 2\n".encode()))[0] == [word]


def test_zstd_is_read_with_pyarrow(written, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    data = pyarrow.compress(TEXT, codec="zstd", asbytes=True)
    assert read_all_vectors(written(data))[0] == WORDS
    with pytest.raises(ValueError, match=r"cannot be decompressed: .* Check that the file is complete"):
        read_all_vectors(written(data[:-6]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match="Install pyarrow, or decompress the file with `zstd -d`"):
        read_all_vectors(written(data))


def test_a_folder_and_a_pipe_are_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Give the path of a vector file"):
        read_all_vectors(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="pipe must be a regular file"):
            read_all_vectors(tmp_path / "pipe")


def test_empty_archives_are_refused(written):
    with pytest.raises(ValueError, match=r"must hold one file\. Got 0 files"):
        read_all_vectors(written(zip_of()))
    assert read_all_vectors(written(zipped(TEXT)))[0] == WORDS
