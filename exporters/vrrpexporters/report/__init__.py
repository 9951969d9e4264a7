"""The judgement for people and for monitoring systems: `plugin` line, `text`, JSON `documents`, HTML `page`.

Each way out is a module of its own and imported by whoever wants it: a check every minute loads the plugin line only.
"""
