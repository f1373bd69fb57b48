import torch

from bot.publishing.quantisation import round_weight, row_scales


def test_rounding_errors_cancel_out_on_inputs_like_those_of_the_calibration() -> None:
    torch.manual_seed(1)
    weight, mixing = torch.randn(50, 96), torch.randn(24, 96)
    calibration, others = torch.randn(4000, 24) @ mixing, torch.randn(1000, 24) @ mixing
    scales = row_scales(weight).unsqueeze(1)
    nearest = (weight / scales).round() * scales
    rounded = round_weight(weight, calibration)
    compensated = rounded.values * rounded.scales.unsqueeze(1)

    def error(weight_8_bits: torch.Tensor) -> float:
        return float((others @ (weight_8_bits - weight).T).norm())

    assert error(compensated) < 0.3 * error(nearest)
    assert (compensated - weight).abs().max() > 0.6 * scales.min()  # not each the nearest


def test_weights_of_inputs_that_never_vary_are_rounded_too() -> None:
    weight = torch.tensor([[1.0, -0.5, 0.25], [0.0, 0.0, 0.0]])
    rounded = round_weight(weight, torch.zeros(10, 3))
    assert rounded.values.tolist() == [[127, -64, 32], [0, 0, 0]]
    assert torch.isfinite(rounded.scales).all()
