"""The rival: the same weights in ONNX Runtime, in int8, step by step, quantised in two ways.

``by_tool``: the model with ONNX's own operators, quantised as ``onnxruntime.quantization`` does
(``quantize_dynamic``, with a scale for each row of a weight). It leaves the GRUs in float32.

By hand: graphs written for this model, which get every advantage that is fair. Every product,
those inside the GRUs too, is ``MatMulNBits`` with 8-bit weights and 8-bit activations. Of ONNX
Runtime's products with 8-bit weights and several scales a weight, that is the fastest for one row.
The encoder's input products are batched over time, as ours are.

Both end a decode step with the argmax in the graph, without softmax or scores. Its inputs and
outputs are bound to memory once, so that Python only starts the steps and looks at one number. Both
stop at ``EOS``.
"""

import importlib
import importlib.util
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.bench.onnx_graph import STATE, Graph, decode_step, encoder
from bot.errors import MissingPackageError
from bot.model.search import GreedySearcher

PACKAGES = ("onnx", "onnxruntime")


def is_installed() -> bool:
    """Whether ONNX Runtime can be measured here."""
    return all(importlib.util.find_spec(package) for package in PACKAGES)


def require() -> None:
    """Refuse at once what needs ONNX Runtime.

    :raises MissingPackageError: if a package is not installed
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(
                f"{package} is not installed; install it with: pip install 'onnx>=1.17,<2'"
                " 'onnxruntime>=1.22,<2'"
            )


def _quantised_by_tool(graph: Graph) -> Any:
    onnx = importlib.import_module("onnx")
    tool = importlib.import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # it advises a step that changes nothing here
        try:
            tool.quantize_dynamic(
                graph.model(), path, per_channel=True, weight_type=tool.QuantType.QInt8
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(path)


def _session(model: Any, threads: int) -> Any:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Its threads spin during a run and stop after it: else they would slow the next searcher.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class OnnxSearcher:
    """Greedy search, one source at a time.

    :param searcher: eager, in float32: its weights are taken and quantised
    :param threads: within an operator
    :param eos_id: where it stops; -1 writes on to the maximum length
    :param by_tool: whether ONNX Runtime's tool quantises; otherwise it is done by hand
    :raises MissingPackageError: if ONNX Runtime is not installed
    """

    def __init__(
        self, searcher: GreedySearcher, threads: int, eos_id: int, *, by_tool: bool
    ) -> None:
        require()
        runtime = importlib.import_module("onnxruntime")
        self._bos_id, self._eos_id = searcher.bos_id, eos_id
        self._layers = searcher.model.decoder_layers
        self._encoder, self._step = (
            _session(_quantised_by_tool(graph) if by_tool else graph.model(), threads)
            for graph in (
                encoder(searcher.model, int8=not by_tool),
                decode_step(searcher.model, int8=not by_tool),
            )
        )
        numpy = importlib.import_module("numpy")
        self._numpy = numpy
        H = searcher.model.encoder.hidden_size  # noqa: N806 (as in bot.model)
        self._tokens = [
            runtime.OrtValue.ortvalue_from_numpy(numpy.zeros(1, numpy.int64)) for _ in range(2)
        ]
        self._states = [
            [
                runtime.OrtValue.ortvalue_from_numpy(numpy.zeros((1, H), numpy.float32))
                for _ in range(self._layers)
            ]
            for _ in range(2)
        ]
        # A step reads one half and writes the other.
        self._bindings = [self._binding(0, 1), self._binding(1, 0)]

    def _binding(self, read: int, written: int) -> Any:
        binding = self._step.io_binding()
        binding.bind_ortvalue_input("token", self._tokens[read])
        binding.bind_ortvalue_output("next_token", self._tokens[written])
        for layer in range(self._layers):
            binding.bind_ortvalue_input(f"{STATE}{layer}", self._states[read][layer])
            binding.bind_ortvalue_output(f"next_{STATE}{layer}", self._states[written][layer])
        return binding

    def search(self, source_ids: Sequence[int], max_length: int) -> list[int]:
        """The reply to a source, without ``EOS``."""
        binding = self._encoder.io_binding()
        binding.bind_cpu_input("ids", self._numpy.array(source_ids, self._numpy.int64))
        for name in ("memory", "keys"):
            binding.bind_output(name)
        for layer in range(self._layers):
            binding.bind_ortvalue_output(f"{STATE}{layer}", self._states[0][layer])
        self._encoder.run_with_iobinding(binding)
        memory, keys = binding.get_outputs()[:2]
        for step in self._bindings:
            step.bind_ortvalue_input("memory", memory)
            step.bind_ortvalue_input("keys", keys)
        self._tokens[0].update_inplace(self._numpy.array([self._bos_id], self._numpy.int64))
        reply: list[int] = []
        for i in range(max_length):
            self._step.run_with_iobinding(self._bindings[i % 2])
            token = int(self._tokens[(i + 1) % 2].numpy()[0])
            if token == self._eos_id:
                break
            reply.append(token)
        return reply
