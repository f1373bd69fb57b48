"""The rival: the same weights in ONNX Runtime, in int8, step by step.

It is given every advantage that is fair:

- Every product, those inside the GRUs too, which ``onnxruntime.quantization`` would leave in
  float32, is ``MatMulNBits`` with 8-bit weights and 8-bit activations: of what ONNX Runtime has for
  8-bit weights and one row, the fastest with a scale of their own for parts of the weights.
- The encoder's input products are batched over time, as ours are.
- A decode step ends with the argmax in the graph, without softmax or scores, and its inputs and
  outputs are bound to memory once, so that Python only starts the steps and looks at one number.
- It stops at ``EOS``.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bot.errors import MissingPackageError
from bot.model.search import GreedySearcher
from bot.model.seq2seq import Seq2Seq

PACKAGES = ("onnx", "onnxruntime")
OPSET = 21
IR_VERSION = 10  # of that opset; onnx would write a newer one than onnxruntime may read
BLOCK = 256  # weights of a row that share a scale
INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level
STATE = "state"


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


class _Graph:
    """Nodes and weights of an ONNX graph; each method that adds one returns its output's name."""

    def __init__(self, prefix: str = "") -> None:
        self.helper = importlib.import_module("onnx.helper")
        self.types = importlib.import_module("onnx").TensorProto
        self._from_array = importlib.import_module("onnx.numpy_helper").from_array
        self._prefix = prefix  # names in a loop's body differ from those outside
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Sequence[int | str], integer: bool = False) -> str:
        kind = self.types.INT64 if integer else self.types.FLOAT
        self._inputs.append(self.helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(
        self, name: str, value: str, shape: Sequence[int | str], integer: bool = False
    ) -> None:
        self._nodes.append(self.helper.make_node("Identity", [value], [name]))
        kind = self.types.INT64 if integer else self.types.FLOAT
        self._outputs.append(self.helper.make_tensor_value_info(name, kind, shape))

    def constant(self, values: Tensor) -> str:
        name = f"{self._prefix}weight{len(self._weights)}"
        self._weights.append(self._from_array(values.detach().contiguous().numpy(), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        names = [f"{self._prefix}{operator}{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(self.helper.make_node(operator, inputs, names, **attributes))
        return names

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self.add(operator, *inputs, **attributes)[0]

    def linear(self, x: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """``x`` @ ``weight``.T + ``bias``, in int8."""
        rows, columns = weight.size()
        padded = nn.functional.pad(weight.detach(), (0, -columns % BLOCK)).view(rows, -1, BLOCK)
        scale = padded.abs().amax(dim=2).clamp(min=1e-12) / 127
        quantised = ((padded / scale.unsqueeze(2)).round() + 128).to(torch.uint8)
        product = self.op(
            "MatMulNBits",
            x,
            self.constant(quantised),
            self.constant(scale.flatten()),
            domain="com.microsoft",
            K=columns,
            N=rows,
            bits=8,
            block_size=BLOCK,
            accuracy_level=INT8_ACTIVATIONS,
        )
        return product if bias is None else self.op("Add", product, self.constant(bias))

    def gru_cell(self, from_input: str, h: str, weight: Tensor, bias: Tensor) -> str:
        """The state after a step.

        :param from_input: the input's product with its weights, (1, 3 H)
        :param weight, bias: of the state
        """
        split = {"axis": 1, "num_outputs": 3, "outputs": 3}
        r, z, n = self.add("Split", from_input, **split)
        state_r, state_z, state_n = self.add("Split", self.linear(h, weight, bias), **split)
        r = self.op("Sigmoid", self.op("Add", r, state_r))
        z = self.op("Sigmoid", self.op("Add", z, state_z))
        n = self.op("Tanh", self.op("Add", n, self.op("Mul", r, state_n)))
        return self.op("Add", n, self.op("Mul", z, self.op("Sub", h, n)))

    def body(self) -> Any:
        return self.helper.make_graph(
            self._nodes, "graph", self._inputs, self._outputs, self._weights
        )

    def session(self, threads: int) -> Any:
        runtime = importlib.import_module("onnxruntime")
        model = self.helper.make_model(
            self.body(),
            opset_imports=[
                self.helper.make_opsetid("", OPSET),
                self.helper.make_opsetid("com.microsoft", 1),
            ],
            ir_version=IR_VERSION,
        )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Its threads spin while a run lasts, and not into the measurement of others.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        return runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


def _encoder(model: Seq2Seq) -> _Graph:
    """From ids, (S,), to memory and keys, (S, H), and the decoder's first states, (1, H) each."""
    weights = model.state_dict()
    H = model.encoder.hidden_size  # noqa: N806 (as in bot.model)
    graph = _Graph()
    ids = graph.input("ids", ["S"], integer=True)
    x = graph.op("Gather", graph.constant(weights["embedding.weight"]), ids)
    zero = graph.constant(torch.zeros(1, H))
    states: list[str] = []
    for layer in range(len(model.encoder.forwards)):
        directions = [f"encoder.{name}.{layer}" for name in ("forwards", "backwards")]
        rows = [
            graph.linear(x, weights[f"{name}.weight_ih_l0"], weights[f"{name}.bias_ih_l0"])
            for name in directions
        ]
        *last, memory_f, memory_b = graph.add(
            *("Scan", zero, zero, *rows),
            outputs=4,
            body=_encoder_step(weights, directions, H),
            num_scan_inputs=2,
            scan_input_directions=[0, 1],
            scan_output_directions=[0, 1],
        )
        states += last
        x = graph.op("Concat", memory_f, memory_b, axis=1)
    memory = graph.op("Add", memory_f, memory_b)
    keys = memory
    if model.decoder.attention.score != "dot":
        projection = "decoder.attention.memory_projection"
        keys = graph.linear(memory, weights[f"{projection}.weight"], weights[f"{projection}.bias"])
    graph.output("memory", memory, ["S", H])
    graph.output("keys", keys, ["S", H])
    for layer in range(model.decoder_layers):
        graph.output(f"{STATE}{layer}", states[layer], [1, H])
    return graph


def _encoder_step(weights: dict[str, Tensor], directions: Sequence[str], hidden: int) -> Any:
    """Both directions' next states, (1, H), and the rows of the memory that they are, (H,).

    Its inputs are the states before and a row of each direction's input products, (3 H,).
    """
    step = _Graph(f"{directions[0]}.")
    axis = step.constant(torch.tensor([0]))
    before = [step.input(f"{name}.before", [1, hidden]) for name in directions]
    rows = [step.input(f"{name}.row", [3 * hidden]) for name in directions]
    after = [
        step.gru_cell(
            step.op("Unsqueeze", row, axis),
            h,
            weights[f"{name}.weight_hh_l0"],
            weights[f"{name}.bias_hh_l0"],
        )
        for name, row, h in zip(directions, rows, before, strict=True)
    ]
    for name, h in zip(directions, after, strict=True):
        step.output(f"{name}.after", h, [1, hidden])
    for name, h in zip(directions, after, strict=True):
        step.output(f"{name}.memory", step.op("Squeeze", h, axis), [hidden])
    return step.body()


def _decode_step(model: Seq2Seq) -> _Graph:
    """From a token, (1,), and states to the next token, (1,), and the next states."""
    weights = model.state_dict()
    H = model.encoder.hidden_size  # noqa: N806 (as in bot.model)
    graph = _Graph()
    token = graph.input("token", [1], integer=True)
    memory = graph.input("memory", ["S", H])
    keys = graph.input("keys", ["S", H])
    x = graph.op("Gather", graph.constant(weights["embedding.weight"]), token)
    for layer in range(model.decoder_layers):
        of_input, input_bias, of_state, state_bias = (
            weights[f"decoder.gru.{name}_l{layer}"]
            for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        )
        h = graph.input(f"{STATE}{layer}", [1, H])
        x = graph.gru_cell(graph.linear(x, of_input, input_bias), h, of_state, state_bias)
        graph.output(f"next_{STATE}{layer}", x, [1, H])
    if model.decoder.attention.score == "concat":
        query = graph.linear(x, weights["decoder.attention.query_projection.weight"])
        both = graph.op("Tanh", graph.op("Add", query, keys))  # (S, H)
        energy = graph.constant(weights["decoder.attention.energy.weight"].t())
        energies = graph.op("Transpose", graph.op("MatMul", both, energy))
    else:
        energies = graph.op("MatMul", x, graph.op("Transpose", keys))  # (1, S)
    context = graph.op("MatMul", graph.op("Softmax", energies, axis=1), memory)
    combined = graph.linear(
        graph.op("Concat", x, context, axis=1),
        weights["decoder.combine.weight"],
        weights["decoder.combine.bias"],
    )
    logits = graph.linear(
        graph.op("Tanh", combined), weights["output.weight"], weights["output.bias"]
    )
    graph.output("next_token", graph.op("ArgMax", logits, axis=1, keepdims=0), [1], integer=True)
    return graph


class OnnxSearcher:
    """Greedy search, one source at a time.

    :param searcher: eager, in float32: its weights are taken and quantised
    :param threads: within an operator
    :param eos_id: where it stops; -1 writes on to the maximum length
    :raises MissingPackageError: if ONNX Runtime is not installed
    """

    def __init__(self, searcher: GreedySearcher, threads: int, eos_id: int) -> None:
        require()
        runtime = importlib.import_module("onnxruntime")
        self._bos_id, self._eos_id = searcher.bos_id, eos_id
        self._layers = searcher.model.decoder_layers
        self._encoder = _encoder(searcher.model).session(threads)
        self._step = _decode_step(searcher.model).session(threads)
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
