"""A bot in simcord's Discord."""

import pytest
import simcord
from discord_world import Clock, Responder, World

from bot.discord_app.client import CauserieClient
from bot.serving.conversation import Conversations


@pytest.fixture
def responder() -> Responder:
    return Responder()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def conversations(clock: Clock) -> Conversations:
    return Conversations(memory_s=60, clock=clock)


@pytest.fixture
def simcord_bot(responder: Responder, conversations: Conversations) -> CauserieClient:
    """The bot that simcord's fixture connects to its Discord."""
    return CauserieClient(responder, conversations)


@pytest.fixture
def world(simcord_env: simcord.Env, responder: Responder) -> World:
    return World(simcord_env, responder)
