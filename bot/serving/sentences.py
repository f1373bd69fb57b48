"""What is said in the model's place."""

FALLBACK = "I have no words for that one. Could you say it another way?"
DEFLECTION = "I'd rather not talk about that. What else is on your mind?"
CARE = (
    "I'm sorry that you are going through this. I'm only a small bot, but there are people who can"
    " help: please talk to somebody you trust, or call a crisis line where you live."
)

# A conversation does not go on from these.
NOT_THE_MODELS = (FALLBACK, DEFLECTION, CARE)
