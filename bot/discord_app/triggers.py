"""Whether a message is meant for the bot: a mention, a reply to it, or a direct message."""

import discord


def is_for_us(message: discord.Message, user_id: int) -> bool:
    """Whether somebody wrote this to us.

    :param user_id: ours
    """
    author = message.author
    if author.bot or author.system or message.webhook_id is not None:
        return False
    if message.type not in (discord.MessageType.default, discord.MessageType.reply):
        return False
    return (
        isinstance(message.channel, discord.DMChannel)
        or mentions_us(message, user_id)
        or replied_to(message, user_id) is not None
    )


def mentions_us(message: discord.Message, user_id: int) -> bool:
    """Whether we are named: by mention, by the ping of a reply, or by the bot's own role."""
    role_ids = own_role_ids(message)
    return any(user.id == user_id for user in message.mentions) or any(
        role.id in role_ids for role in message.role_mentions
    )


def replied_to(message: discord.Message, user_id: int) -> discord.Message | None:
    """The message of ours that this one replies to, if Discord shows it."""
    original = message.reference.resolved if message.reference else None
    if (
        message.type is discord.MessageType.reply
        and isinstance(original, discord.Message)
        and original.author.id == user_id
    ):
        return original
    return None


def own_role_ids(message: discord.Message) -> list[int]:
    """The role that Discord manages for us, which people mention by mistake; none elsewhere."""
    role = message.guild.self_role if message.guild else None
    return [role.id] if role else []
