import numpy as np
import pytest

from bot.bench.floor import (
    LARGE,
    MATRIX_VECTOR,
    Bandwidth,
    BandwidthProbe,
    streamed_bytes,
    weight_bytes,
)
from bot.model.seq2seq import ModelConfig

# E 3, H 2, V 10. A GRU's weights: 6 x inputs, 6 x 2 states.
SMALL = ModelConfig(10, 3, 2, 2, 2, "dot", 0.0)


def test_the_bytes_of_a_small_model_are_those_counted_by_hand() -> None:
    encoder_inputs = 2 * (6 * 4)  # layer 1, two directions, both of which read both
    encoder_states = 2 * 2 * (6 * 2)  # two layers, two directions
    decoder = 6 * 2 + (6 * 2 + 6 * 2) + 4 * 3 + 3 * 10  # layer 0, layer 1, combine, output
    assert streamed_bytes(SMALL, 5, 7) == encoder_inputs + 5 * encoder_states + 7 * decoder
    assert weight_bytes(SMALL) == encoder_inputs + encoder_states + decoder


def test_attention_adds_its_keys_once_a_source_and_its_query_once_a_step() -> None:
    general = ModelConfig(10, 3, 2, 2, 2, "general", 0.0)
    concat = ModelConfig(10, 3, 2, 2, 2, "concat", 0.0)
    assert streamed_bytes(general, 5, 7) - streamed_bytes(SMALL, 5, 7) == 4
    assert streamed_bytes(concat, 5, 7) - streamed_bytes(SMALL, 5, 7) == 4 + 7 * (4 + 2)


def test_the_floors_are_bytes_over_bandwidth() -> None:
    bandwidth = Bandwidth(memory=5.0, cache=20.0, read=40.0)
    assert bandwidth.memory_floor_ms(100e6) == pytest.approx(20.0)
    assert bandwidth.cache_floor_ms(100e6) == pytest.approx(5.0)


def test_the_bandwidth_is_that_of_the_faster_product() -> None:
    probe = BandwidthProbe(size=4 * 512 * 20, large=4 * 512 * 40)
    for subject in probe.subjects.values():
        subject(0)  # runs
    seconds = dict.fromkeys(probe.subjects, np.array([[4e-6]]))
    seconds[MATRIX_VECTOR] = np.array([[2e-6]])
    seconds[MATRIX_VECTOR + LARGE] = np.array([[1e-6]])
    assert probe.bandwidth(seconds) == Bandwidth(memory=81.92, cache=20.48, read=10.24)
