from bot.artifact.options import Attention
from bot.console.heatmap import alignment, heatmap

ATTENTION = Attention(
    ["do", "you", "like", "tea", "?"],
    ["Tea", "is", "!"],
    [[0.0, 0.0, 0.0, 1.0, 0.0], [0.25, 0.0, 0.5, 0.25, 0.0], [0.05, 0.05, 0.05, 0.8, 0.05]],
)


def test_a_heat_map_has_the_source_and_a_line_for_each_reply_token() -> None:
    assert heatmap(ATTENTION) == [
        "do you like tea ?",
        "Tea |   \u2588 | tea 1.00",
        "is  |\u2591 \u2592\u2591 | like 0.50, do 0.25",
        "!   |   \u2593 | tea 0.80",
    ]


def test_columns_stay_straight_beside_wide_characters_and_long_words() -> None:
    weights = [[1.0]] * 3
    lines = heatmap(
        Attention(["x"], ["\N{SLICE OF PIZZA}" * 2, "a", "extraordinarily long"], weights)
    )
    assert lines[1:] == [
        "\N{SLICE OF PIZZA}\N{SLICE OF PIZZA}           |\u2588| x 1.00",
        "a              |\u2588| x 1.00",
        "extraordinaril |\u2588| x 1.00",
    ]


def test_an_alignment_names_the_darkest_source_token_of_each_reply_token() -> None:
    assert alignment(ATTENTION) == "Tea \u2190 tea; is \u2190 like; ! \u2190 tea"
