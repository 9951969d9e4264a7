"""Verdicts on their way out: Prometheus, text, JSON, plugin line, Alertmanager, webhook."""
