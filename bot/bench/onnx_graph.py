"""The model as two ONNX graphs: the encoder, and a decode step that ends with the next token."""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bot.model.seq2seq import Seq2Seq

OPSET = 21
IR_VERSION = 10  # of that opset; onnx would write a newer one than onnxruntime may read
BLOCK = 256  # weights of a row that share a scale
INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level
STATE = "state"
GRU_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Graph:
    """Nodes and weights of an ONNX graph; each method that adds one returns its output's name.

    :param int8: whether products are in int8 and GRUs are made of them; otherwise they are ONNX's
        own ``MatMul`` and ``GRU``, in float32, for ONNX Runtime's tool to quantise
    :param prefix: of names, which in a loop's body differ from those outside
    """

    def __init__(self, *, int8: bool, prefix: str = "") -> None:
        self.int8 = int8
        self._helper = importlib.import_module("onnx.helper")
        self._types = importlib.import_module("onnx").TensorProto
        self._from_array = importlib.import_module("onnx.numpy_helper").from_array
        self._prefix = prefix
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Sequence[int | str], *, integer: bool = False) -> str:
        """An input: float32, or int64."""
        kind = self._types.INT64 if integer else self._types.FLOAT
        self._inputs.append(self._helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(
        self, name: str, value: str, shape: Sequence[int | str], *, integer: bool = False
    ) -> None:
        """Make a value an output: float32, or int64."""
        self._nodes.append(self._helper.make_node("Identity", [value], [name]))
        kind = self._types.INT64 if integer else self._types.FLOAT
        self._outputs.append(self._helper.make_tensor_value_info(name, kind, shape))

    def constant(self, values: Tensor) -> str:
        """Weights, or a shape."""
        name = f"{self._prefix}weight{len(self._weights)}"
        self._weights.append(self._from_array(values.detach().contiguous().numpy(), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """A node of several outputs."""
        names = [f"{self._prefix}{operator}{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(self._helper.make_node(operator, inputs, names, **attributes))
        return names

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output."""
        return self.add(operator, *inputs, **attributes)[0]

    def linear(self, x: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """``x`` @ ``weight``.T + ``bias``."""
        product = (
            self._int8_product(x, weight)
            if self.int8
            else self.op("MatMul", x, self.constant(weight.t()))
        )
        return product if bias is None else self.op("Add", product, self.constant(bias))

    def _int8_product(self, x: str, weight: Tensor) -> str:
        rows, columns = weight.size()
        padded = nn.functional.pad(weight.detach(), (0, -columns % BLOCK)).view(rows, -1, BLOCK)
        scale = padded.abs().amax(dim=2).clamp(min=1e-12) / 127
        quantised = ((padded / scale.unsqueeze(2)).round() + 128).to(torch.uint8)
        return self.op(
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

    def gru(self, x: str, weights: Sequence[Sequence[Tensor]], *states: str) -> list[str]:
        """ONNX's GRU, whose outputs are (S, directions, 1, H) and (directions, 1, H).

        :param x: (S, inputs)
        :param weights: for each direction those of torch: of the input, of the state, the biases
        :param states: the first one, (1, 1, H), or none for zeros
        """
        ordered = [[_update_gate_first(part) for part in one] for one in weights]
        of_input, of_state = (torch.stack([one[i] for one in ordered]) for i in (0, 1))
        biases = torch.stack([torch.cat((one[2], one[3])) for one in ordered])
        inputs = (
            self.op("Unsqueeze", x, self.constant(torch.tensor([1]))),
            *(self.constant(part) for part in (of_input, of_state, biases)),
            *("", *states)[: 2 * len(states)],
        )
        return self.add(
            "GRU",
            *inputs,
            outputs=2,
            hidden_size=of_state.size(2),
            direction="forward" if len(weights) == 1 else "bidirectional",
            linear_before_reset=1,
        )

    def body(self) -> Any:
        """The graph, for a model or a loop."""
        return self._helper.make_graph(
            self._nodes, "graph", self._inputs, self._outputs, self._weights
        )

    def model(self) -> Any:
        """The graph as a model."""
        return self._helper.make_model(
            self.body(),
            opset_imports=[
                self._helper.make_opsetid("", OPSET),
                self._helper.make_opsetid("com.microsoft", 1),
            ],
            ir_version=IR_VERSION,
        )


def encoder(model: Seq2Seq, *, int8: bool) -> Graph:
    """From ids, (S,), to memory and keys, (S, H), and the decoder's first states, (1, H) each."""
    weights = model.state_dict()
    H = model.encoder.hidden_size  # noqa: N806 (as in bot.model)
    graph = Graph(int8=int8)
    ids = graph.input("ids", ["S"], integer=True)
    x = graph.op("Gather", graph.constant(weights["embedding.weight"]), ids)
    zero = graph.constant(torch.zeros(1, H))
    states: list[str] = []
    for layer in range(len(model.encoder.forwards)):
        directions = [f"encoder.{name}.{layer}" for name in ("forwards", "backwards")]
        if graph.int8:
            *last, memory_f, memory_b = _scan(graph, x, zero, weights, directions, H)
        else:
            *last, memory_f, memory_b = _gru_layer(graph, x, weights, directions)
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


def _gru_layer(
    graph: Graph, x: str, weights: dict[str, Tensor], directions: Sequence[str]
) -> list[str]:
    """What ``_scan`` returns, from one GRU of two directions."""
    of_layer = [[weights[f"{name}.{part}_l0"] for part in GRU_WEIGHTS] for name in directions]
    memory, last = graph.gru(x, of_layer)
    rows = graph.op("Reshape", memory, graph.constant(torch.tensor([0, -1])))  # (S, 2 H)
    halves = {"num_outputs": 2, "outputs": 2}
    states = [
        graph.op("Squeeze", state, graph.constant(torch.tensor([0])))
        for state in graph.add("Split", last, axis=0, **halves)
    ]
    return [*states, *graph.add("Split", rows, axis=1, **halves)]


def _scan(
    graph: Graph,
    x: str,
    zero: str,
    weights: dict[str, Tensor],
    directions: Sequence[str],
    hidden: int,
) -> list[str]:
    """Both directions' last states, (1, H), and memories, (S, H), from a loop over the source."""
    rows = [
        graph.linear(x, weights[f"{name}.weight_ih_l0"], weights[f"{name}.bias_ih_l0"])
        for name in directions
    ]
    return graph.add(
        *("Scan", zero, zero, *rows),
        outputs=4,
        body=_encoder_step(weights, directions, hidden),
        num_scan_inputs=2,
        scan_input_directions=[0, 1],
        scan_output_directions=[0, 1],
    )


def _encoder_step(weights: dict[str, Tensor], directions: Sequence[str], hidden: int) -> Any:
    """Both directions' next states, (1, H), and the rows of the memory that they are, (H,).

    Its inputs are the states before and a row of each direction's input products, (3 H,).
    """
    step = Graph(int8=True, prefix=f"{directions[0]}.")
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


def decode_step(model: Seq2Seq, *, int8: bool) -> Graph:
    """From a token, (1,), and states to the next token, (1,), and the next states."""
    weights = model.state_dict()
    H = model.encoder.hidden_size  # noqa: N806 (as in bot.model)
    graph = Graph(int8=int8)
    token = graph.input("token", [1], integer=True)
    memory = graph.input("memory", ["S", H])
    keys = graph.input("keys", ["S", H])
    x = graph.op("Gather", graph.constant(weights["embedding.weight"]), token)
    for layer in range(model.decoder_layers):
        of_layer = [weights[f"decoder.gru.{name}_l{layer}"] for name in GRU_WEIGHTS]
        h = graph.input(f"{STATE}{layer}", [1, H])
        if graph.int8:
            of_input, of_state, input_bias, state_bias = of_layer
            x = graph.gru_cell(graph.linear(x, of_input, input_bias), h, of_state, state_bias)
        else:
            axis = graph.constant(torch.tensor([0]))
            last = graph.gru(x, [of_layer], graph.op("Unsqueeze", h, axis))[1]
            x = graph.op("Squeeze", last, axis)
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


def _update_gate_first(weight: Tensor) -> Tensor:
    """The three gates of torch's GRU, (3 H, ...), in ONNX's order."""
    reset, update, new = weight.chunk(3)
    return torch.cat((update, reset, new))
