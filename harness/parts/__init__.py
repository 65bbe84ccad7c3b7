"""Parts (codec, server rule, task, radio, meter): where they come from and what they say of themselves."""
