"""``python -m bot``."""

from bot.interrupts import insistent_interrupts

if __name__ == "__main__":
    with insistent_interrupts():
        from bot.cli import main

        main()
