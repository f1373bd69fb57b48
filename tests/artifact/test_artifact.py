import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bot.artifact.artifact import Artifact, resolve_device
from bot.artifact.manifest import MANIFEST_FILE, SEARCHER_FILE, TOKENIZER_FILE
from bot.artifact.store import ModelStore
from bot.errors import (
    DigestError,
    FormatVersionError,
    ManifestError,
    MissingFileError,
    SearcherError,
    TokenizerError,
    UsageError,
)

ROOT = Path(__file__).parents[2]
TEXTS = ["hello there!", "how are you?", "hello", "i am fine . thanks", ""]


@pytest.fixture
def artifact(published: Path) -> Artifact:
    return Artifact.load(published)


@pytest.fixture
def nothing_is_deserialised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("deserialised before the check")

    monkeypatch.setattr(torch.jit, "load", refuse)
    monkeypatch.setattr("bot.artifact.artifact.Tokenizer.from_json", refuse)


def sources(artifact: Artifact) -> list[list[int]]:
    return [artifact.tokenizer.encode_source(text) for text in TEXTS]


def test_weights_stored_in_half_precision_give_the_tokens_of_the_same_weights_in_float32(
    artifact: Artifact, half_rounded_searcher: nn.Module
) -> None:
    assert {p.dtype for p in artifact._searcher.parameters()} == {torch.float32}
    for ids, reply in zip(sources(artifact), artifact.search(sources(artifact), 9), strict=True):
        tokens, _, lengths = half_rounded_searcher(torch.tensor([ids]), torch.tensor([len(ids)]), 9)
        assert reply == tokens[0, : lengths[0]].tolist()


def test_a_reply_does_not_depend_on_the_batch_it_is_searched_in(artifact: Artifact) -> None:
    together = artifact.search(sources(artifact), 9)
    assert together == [artifact.search([ids], 9)[0] for ids in sources(artifact)]
    assert len({tuple(reply) for reply in together}) > 1


def test_a_reply_ends_before_its_end_symbol_and_is_no_longer_than_asked(published: Path) -> None:
    class Counting(nn.Module):
        """Writes as many threes as the source has tokens, then EOS and rubbish."""

        def forward(
            self, source_ids: Tensor, source_lengths: Tensor, max_length: int
        ) -> tuple[Tensor, Tensor, Tensor]:
            token_ids = torch.full((source_ids.size(0), max_length), 3)
            lengths = source_lengths.clamp(max=max_length)
            return token_ids, torch.zeros(token_ids.size()), lengths

    loaded = Artifact.load(published)
    artifact = Artifact(
        loaded.manifest, loaded.tokenizer, torch.jit.script(Counting()), loaded.device
    )
    assert artifact.search([[2], [7, 7, 2], [7] * 9], 4) == [[3], [3] * 3, [3] * 4]


def test_an_empty_batch_has_no_replies(artifact: Artifact) -> None:
    assert artifact.search([], 9) == []


def test_an_empty_source_is_refused(artifact: Artifact) -> None:
    with pytest.raises(ValueError, match="a source is empty"):
        artifact.search([[2], []], 9)


def test_search_keeps_no_gradients_also_on_another_thread(artifact: Artifact) -> None:
    seen: list[bool] = []
    artifact._searcher = lambda ids, lengths, max_length: (
        seen.append(torch.is_inference_mode_enabled()),
        (ids, ids, lengths),
    )[1]
    thread = threading.Thread(target=artifact.search, args=([[2]], 1))
    thread.start()
    thread.join()
    assert seen == [True]


def test_the_tokenizer_cuts_sources_at_what_the_model_was_trained_for(artifact: Artifact) -> None:
    assert len(artifact.tokenizer.encode_source("hello " * 100)) == 12


def test_the_graph_names_the_methods_and_the_operations_and_no_path_of_the_exporter(
    artifact: Artifact,
) -> None:
    graph = artifact.graph()
    assert graph.startswith("# forward\ngraph(%self")
    assert "prim::Loop" in graph
    assert ".py:" not in graph


@pytest.mark.parametrize("name", [SEARCHER_FILE, TOKENIZER_FILE, "MODEL_CARD.md"])
@pytest.mark.parametrize("position", [0, 0.5, 1])
@pytest.mark.usefixtures("nothing_is_deserialised")
def test_a_flipped_bit_in_any_file_is_a_digest_error_before_anything_is_deserialised(
    published: Path, name: str, position: float
) -> None:
    content = bytearray((published / name).read_bytes())
    content[int(position * (len(content) - 1))] ^= 1
    (published / name).write_bytes(content)
    with pytest.raises(DigestError, match="models verify tiny/1") as caught:
        Artifact.load(published)
    assert str(published / name) in str(caught.value)


@pytest.mark.parametrize("name", [SEARCHER_FILE, TOKENIZER_FILE, "MODEL_CARD.md"])
@pytest.mark.usefixtures("nothing_is_deserialised")
def test_a_file_of_another_size_is_a_digest_error(published: Path, name: str) -> None:
    with (published / name).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(DigestError, match=r"bytes and manifest\.json says") as caught:
        Artifact.load(published)
    assert str(published / name) in str(caught.value)


@pytest.mark.parametrize("name", [SEARCHER_FILE, TOKENIZER_FILE, "MODEL_CARD.md"])
@pytest.mark.usefixtures("nothing_is_deserialised")
def test_a_missing_file_is_its_own_error(published: Path, name: str) -> None:
    (published / name).unlink()
    with pytest.raises(MissingFileError, match="models verify tiny/1") as caught:
        Artifact.load(published)
    assert str(published / name) in str(caught.value)


@pytest.mark.usefixtures("nothing_is_deserialised")
def test_a_missing_manifest_and_one_that_leaves_the_directory_are_manifest_errors(
    published: Path,
) -> None:
    manifest = (published / MANIFEST_FILE).read_text()
    (published / MANIFEST_FILE).write_text(manifest.replace("MODEL_CARD", "../MODEL_CARD"))
    with pytest.raises(ManifestError, match=r"'\.\./MODEL_CARD\.md' is not a plain file name"):
        Artifact.load(published)
    (published / MANIFEST_FILE).unlink()
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read"):
        Artifact.load(published)


@pytest.mark.usefixtures("nothing_is_deserialised")
def test_a_newer_format_is_a_format_version_error(published: Path) -> None:
    manifest = (published / MANIFEST_FILE).read_text()
    newer = manifest.replace('"format_version": 3', '"format_version": 4')
    (published / MANIFEST_FILE).write_text(newer)
    with pytest.raises(FormatVersionError, match="upgrade Causerie"):
        Artifact.load(published)


@pytest.mark.usefixtures("nothing_is_deserialised")
def test_a_symbolic_link_out_of_the_directory_is_refused_whatever_it_points_to(
    published: Path, tmp_path: Path
) -> None:
    (published / SEARCHER_FILE).rename(tmp_path / "elsewhere.pt")
    (published / SEARCHER_FILE).symlink_to(tmp_path / "elsewhere.pt")
    with pytest.raises(ManifestError, match=r"searcher\.pt is a symbolic link out of"):
        Artifact.load(published)


def test_a_directory_where_a_file_should_be_is_a_missing_file(published: Path) -> None:
    (published / SEARCHER_FILE).unlink()
    (published / SEARCHER_FILE).mkdir()
    with pytest.raises(MissingFileError, match=r"searcher\.pt"):
        Artifact.load(published)


def test_the_bytes_that_are_checked_are_the_bytes_that_are_loaded(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = torch.jit.load
    contents = {path: path.read_bytes() for path in published.iterdir()}

    def load_after_an_attack(buffer: io.BytesIO, map_location: str) -> Any:
        for path in contents:
            path.write_bytes(b"rubbish")
        return genuine(buffer, map_location=map_location)

    monkeypatch.setattr(torch.jit, "load", load_after_an_attack)
    assert Artifact.load(published).search([[2]], 3)


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"PK\x03\x04rubbish", pytest.param(None, id="state dict")]
)
def test_a_searcher_that_is_no_torchscript_is_a_searcher_error_that_names_it(
    store: ModelStore, files: dict[str, bytes], fields: dict[str, Any], content: bytes | None
) -> None:
    if content is None:
        buffer = io.BytesIO()
        torch.save({"weight": torch.zeros(3)}, buffer)
        content = buffer.getvalue()
    path = store.publish("broken", files | {SEARCHER_FILE: content}, **fields)
    with pytest.raises(
        SearcherError, match=r"searcher\.pt: the searcher cannot be loaded"
    ) as caught:
        Artifact.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff"])
def test_a_tokenizer_that_cannot_be_read_is_a_tokenizer_error(
    store: ModelStore, files: dict[str, bytes], fields: dict[str, Any], content: bytes
) -> None:
    path = store.publish("broken", files | {TOKENIZER_FILE: content}, **fields)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Artifact.load(path)


def test_loading_imports_neither_the_model_nor_the_training_code(published: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from bot.artifact.artifact import Artifact;"
        "print(Artifact.load(Path(sys.argv[1])).search([[5, 6, 2]], 9));"
        "print([m for m in sys.modules if m.startswith(('bot.model', 'bot.data', 'bot.training'))])"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, published], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    assert output.splitlines() == [str(Artifact.load(published).search([[5, 6, 2]], 9)), "[]"]


ELSEWHERE = """
import sys
sys.modules["bot"] = None  # importing it is an error
import torch
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
searcher = torch.jit.load(sys.argv[1] + "/searcher.pt").float().eval()
for text in sys.argv[2:]:
    ids = tokenizer.encode(text, add_special_tokens=False).ids + [2]
    tokens, _, lengths = searcher(torch.tensor([ids]), torch.tensor([len(ids)]), 9)
    print(tokens[0, : lengths[0]].tolist())
"""


def test_the_files_run_with_torch_and_tokenizers_alone(
    artifact: Artifact, published: Path, tmp_path: Path
) -> None:
    output = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", ELSEWHERE, published, *TEXTS],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    ).stdout.decode()
    assert output.splitlines() == [str(reply) for reply in artifact.search(sources(artifact), 9)]


@pytest.mark.parametrize(
    ("asked", "available", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_the_device_is_the_one_asked_for_and_auto_prefers_cuda(
    monkeypatch: pytest.MonkeyPatch, asked: str, available: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert resolve_device(asked) == expected


def test_cuda_where_there_is_none_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA GPU"):
        resolve_device("cuda")


def test_an_unknown_device_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'tpu' is not a device; use auto, cpu or cuda"):
        resolve_device("tpu")
