"""A model version, loaded: its manifest, its tokenizer and its searcher.

The only module besides the exporter that knows TorchScript.
"""

import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bot.artifact.hypotheses import find_hypotheses
from bot.artifact.manifest import (
    INT8_SEARCHER_FILE,
    MANIFEST_FILE,
    SEARCHER_FILE,
    TOKENIZER_FILE,
    Manifest,
)
from bot.artifact.memory import give_back_freed_memory
from bot.artifact.options import GREEDY, Hypothesis, SearchOptions
from bot.artifact.precision import quantised_tensors, resolve_precision
from bot.errors import ManifestError, SearcherError, TokenizerError, UsageError
from bot.text.tokenizer import EOS_ID, PAD_ID, Tokenizer

LOGGER = logging.getLogger(__name__)

# TorchScript names the exporter's source line behind each operation; nobody has that file here.
_SOURCE_RANGE = re.compile(r"\s+# .*:\d+:\d+$", re.MULTILINE)


def resolve_device(device: str) -> str:
    """The device to serve on: ``auto`` becomes ``cuda`` where there is one, else ``cpu``.

    :raises UsageError: if the device is unknown or ``cuda`` is asked for and not available
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"{device!r} is not a device; use auto, cpu or cuda.")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UsageError(
            "The device is set to cuda and torch finds no CUDA GPU here; use auto or cpu, or"
            " install a CUDA build of torch and its driver."
        )
    return ("cuda" if available else "cpu") if device == "auto" else device


class Artifact:
    """What is served; made by ``load``.

    :param manifest: what the version says of itself
    :param tokenizer: text to ids and back
    :param searcher: a TorchScript module in evaluation mode on ``device``, with
        ``forward(source_ids: int64 (B, S), source_lengths: int64 (B,), max_length: int) ->
        (token_ids: int64 (B, T), scores: float32 (B, T), lengths: int64 (B,))``
    :param device: where the searcher's weights are
    :param precision: what it computes in: ``fp32``, ``int8`` or ``half``
    """

    def __init__(
        self,
        manifest: Manifest,
        tokenizer: Tokenizer,
        searcher: Any,
        device: str,
        precision: str = "fp32",
    ) -> None:
        self.manifest = manifest
        self.tokenizer = tokenizer
        self.device = device
        self.precision = precision
        self._searcher = searcher

    @classmethod
    def load(cls, directory: Path, device: str = "cpu", precision: str = "auto") -> "Artifact":
        """Check every file of a version against its manifest, then load it.

        Only one searcher is deserialised, and only its weights stay in memory.

        :param directory: the version's directory
        :param device: ``cpu`` or ``cuda``, see ``resolve_device``
        :param precision: see ``resolve_precision``
        :raises ManifestError, FormatVersionError: as ``Manifest.read`` does
        :raises MissingFileError, DigestError: if a listed file is not there or differs; nothing
            has been deserialised then
        :raises UsageError: if the precision is unknown, or not for this machine or device
        :raises TokenizerError: if the tokenizer cannot be read
        :raises SearcherError: if the searcher is not TorchScript, or the version has none of that
            precision
        """
        manifest = Manifest.read(directory)
        if lack := manifest.lack_of_seal(directory):
            LOGGER.warning("%s", lack)
        precision = resolve_precision(precision, device, manifest)
        searcher_file = INT8_SEARCHER_FILE if precision == "int8" else SEARCHER_FILE
        contents = _checked(manifest, directory, {searcher_file, TOKENIZER_FILE})
        try:
            tokenizer_json = contents[TOKENIZER_FILE].decode()
        except UnicodeDecodeError as error:
            raise TokenizerError(
                f"{directory / TOKENIZER_FILE} is not UTF-8; export the model again."
            ) from error
        tokenizer = Tokenizer.from_json(
            tokenizer_json, manifest.max_source_tokens, manifest.max_source_turns
        )
        size = manifest.model.get("vocabulary_size", tokenizer.vocabulary_size)
        if size != tokenizer.vocabulary_size:
            raise ManifestError(
                f"{directory / MANIFEST_FILE} says that the vocabulary has {size} tokens and"
                f" {TOKENIZER_FILE} has {tokenizer.vocabulary_size}; publish the model again."
            )
        try:
            # Popped, so that the file's bytes are freed with the call.
            searcher = load_searcher(contents.pop(searcher_file), device, precision)
        except SearcherError as error:
            raise SearcherError(f"{directory / searcher_file}: {error}") from error
        give_back_freed_memory()
        return cls(manifest, tokenizer, searcher, device, precision)

    def search(
        self,
        source_ids: Sequence[Sequence[int]],
        max_length: int,
        options: SearchOptions = GREEDY,
    ) -> list[list[int]]:
        """``search_batch`` with this searcher; may be called from several threads at once.

        :raises UsageError, SearcherError: as ``check`` does
        """
        if options.is_greedy:
            return search_batch(self._searcher, source_ids, max_length, self.device)
        found = self.hypotheses(source_ids, max_length, options)
        return [best.token_ids for best, *_ in found]

    def hypotheses(
        self,
        source_ids: Sequence[Sequence[int]],
        max_length: int,
        options: SearchOptions = GREEDY,
    ) -> list[list[Hypothesis]]:
        """The replies that a search found for each source, with their scores.

        A row's result does not depend on the batch. May be called from several threads at once.

        :param source_ids, max_length: as in ``search_batch``
        :return: for each source at least one reply and at most ``beam_size``, the best first
        :raises UsageError, SearcherError: as ``check`` does
        """
        self.check(options, max_length)
        if not source_ids:
            return []
        with torch.inference_mode():
            return find_hypotheses(
                self._searcher, *padded(source_ids, self.device), max_length, options
            )

    def check(self, options: SearchOptions, max_length: int) -> None:
        """Whether this model can search in that way.

        :raises UsageError: if the options do not fit the vocabulary or the longest reply
        :raises SearcherError: if the model was exported by an older version that had no such search
        """
        if options.min_length > max_length:
            raise UsageError(
                f"min_length is {options.min_length} and a reply has at most {max_length} tokens;"
                " lower it or raise MAX_REPLY_TOKENS."
            )
        size = self.tokenizer.vocabulary_size
        for banned in options.banned_ids:
            if not 0 <= banned < size:
                raise UsageError(
                    f"banned_ids has {banned}; the ids of this model are 0 to {size - 1}."
                )
            if banned == EOS_ID:
                raise UsageError(
                    f"banned_ids has {EOS_ID}, which ends a reply; use min_length for long replies."
                )
        if not options.is_greedy:
            self._method("beam" if options.beam_size > 1 else "sample")

    def target_scores(
        self, source_ids: Sequence[Sequence[int]], target_ids: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """The log-probability of each token of given replies.

        :param source_ids: B sources, each as ``Tokenizer.encode_source`` makes them
        :param target_ids: B replies, each with its ``EOS``
        """
        targets, _ = padded(target_ids, self.device)
        with torch.inference_mode():
            scores = self._method("target_scores")(*padded(source_ids, self.device), targets)
        return [row[: len(ids)] for row, ids in zip(scores.tolist(), target_ids, strict=True)]

    def attention(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> list[list[float]]:
        """Attention weights while writing a reply: a row a target token, a column a source token.

        :param target_ids: a reply, with its ``EOS`` if that is to have a row
        """
        targets, _ = padded([target_ids], self.device)
        with torch.inference_mode():
            weights = self._method("attention")(*padded([source_ids], self.device), targets)
        rows: list[list[float]] = weights[0].tolist()
        return rows

    def _method(self, name: str) -> Any:
        method = getattr(self._searcher, name, None)
        if method is None:
            raise SearcherError(
                f"{self.manifest.name}/{self.manifest.version} was exported by an older Causerie"
                f" and has no {name}; export its training run again."
            )
        return method

    def weights(self) -> dict[str, torch.Tensor]:
        """The searcher's weights, by the names of the model that it was compiled from."""
        state = self._searcher.state_dict()
        return {name.removeprefix("model."): weight for name, weight in state.items()}

    def graph(self) -> str:
        """The searcher's TorchScript graphs as text, one a method, from the outside in.

        Torch's own layers are shown as calls; inlining them buries the model in argument checks.
        """
        graphs = [
            f"# {'.'.join(filter(None, (path, method)))}\n"
            + _SOURCE_RANGE.sub("", str(getattr(module, method).graph)).rstrip()
            for path, module in self._searcher.named_modules()
            if not hasattr(torch.nn, module.original_name)
            for method in module._c._method_names()
        ]
        return "\n\n".join(graphs)


def _checked(manifest: Manifest, directory: Path, needed: set[str]) -> dict[str, bytes]:
    """The contents of the files that are needed, after every listed file was checked.

    What is checked is what is used: the files are not opened a second time.
    """
    contents: dict[str, bytes] = {}
    for name in manifest.files:
        content = manifest.read_file(directory, name)
        if name in needed:
            contents[name] = content
    return contents


def load_searcher(content: bytes, device: str, precision: str = "fp32") -> Any:
    """Deserialise a searcher, in evaluation mode.

    That can run code, so the caller has checked that the bytes are ours.

    :param precision: ``fp32`` or ``half``, whatever the file's weights are in, or ``int8`` for a
        file of that variant
    :raises SearcherError: if it is not TorchScript, or not of that variant
    """
    try:
        with quantised_tensors():  # only the int8 variant has any
            searcher = torch.jit.load(io.BytesIO(content), map_location=device).eval()
            if precision == "int8":
                searcher.pack()
                return searcher
    except Exception as error:  # mostly RuntimeError, but UnicodeDecodeError and others too
        reason = str(error).partition("\n")[0]
        raise SearcherError(
            f"the searcher cannot be loaded as TorchScript ({reason}); export the model again with"
            f" torch {torch.__version__}."
        ) from error
    return searcher.half() if precision == "half" else searcher.float()


def search_batch(
    searcher: Any, source_ids: Sequence[Sequence[int]], max_length: int, device: str
) -> list[list[int]]:
    """Write a reply to each source.

    :param searcher: compiled or eager, on ``device``
    :param source_ids: B sources, each as ``Tokenizer.encode_source`` makes them: not empty
    :param max_length: the most tokens to write a reply, ``EOS`` included, at least 1
    :return: B replies in the same order, without ``EOS``
    :raises ValueError: if a source is empty
    :raises Exception: what TorchScript raises if the searcher fails; ``torch.jit.Error``, for
        one, is no RuntimeError
    """
    if not source_ids:
        return []
    with torch.inference_mode():
        token_ids, _, reply_lengths = searcher(*padded(source_ids, device), max_length)
    return [
        row[:length] for row, length in zip(token_ids.tolist(), reply_lengths.tolist(), strict=True)
    ]


def padded(rows: Sequence[Sequence[int]], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ids as a searcher takes them: int64, (B, longest), then ``PAD``; lengths, (B,).

    :raises ValueError: if a row is empty
    """
    lengths = [len(ids) for ids in rows]
    if min(lengths) == 0:
        raise ValueError("a source is empty; encode_source closes each with EOS")
    longest = max(lengths)
    padded = [[*ids, *[PAD_ID] * (longest - len(ids))] for ids in rows]
    return torch.tensor(padded, device=device), torch.tensor(lengths, device=device)
