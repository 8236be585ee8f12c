"""Messages in the formats of Slack, Microsoft Teams, and PagerDuty."""

from typing import Any

from billing.webhooks.formats.messages import Message

_SLACK_TEXT, _TITLE = 3_000, 1_000  # characters, the limits of the services
_SLACK_EMOJI = {
    "critical": ":rotating_light:",
    "error": ":red_circle:",
    "warning": ":warning:",
    "info": ":information_source:",
}


def slack_body(message: Message) -> dict[str, Any]:
    """Return the body of an incoming webhook of Slack."""
    emoji = ":white_check_mark:" if message.ends else _SLACK_EMOJI[message.severity]
    title = _slack(message.title)[:_TITLE]
    lines = [f"{emoji} *{title}*"]
    lines += [f"{_slack(label)}: {_slack(text)}" for label, text in message.figures]
    if message.url:
        lines.append(f"<{message.url}|View in Orgdesk>")
    text = "\n".join(lines)[:_SLACK_TEXT]
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return {"text": title, "blocks": [section]}


def _slack(text: str) -> str:
    """Return text that Slack shows as it is: no link, no mention of a channel."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("*", "\N{ASTERISK OPERATOR}").replace("`", "'")


def teams_body(message: Message) -> dict[str, Any]:
    """Return the body for a workflow of Teams that posts an adaptive card."""
    color = "good" if message.ends else _TEAMS_COLORS[message.severity]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "text": _markdown(message.title)[:_TITLE],
                "weight": "bolder",
                "size": "medium",
                "color": color,
                "wrap": True,
            },
            {
                "type": "FactSet",
                "facts": [
                    {"title": label, "value": _markdown(text)}
                    for label, text in message.figures
                ],
            },
        ],
    }
    if message.url:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": "View in Orgdesk", "url": message.url}
        ]
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


_TEAMS_COLORS = {
    "critical": "attention",
    "error": "attention",
    "warning": "warning",
    "info": "default",
}


def _markdown(text: str) -> str:
    """Return text without the characters that Teams reads as a link or list."""
    for character in "\\[]*_":
        text = text.replace(character, f"\\{character}")
    return text


def pagerduty_body(
    message: Message, *, routing_key: str, object_key: str, payload: dict[str, Any]
) -> dict[str, Any]:
    """Return an event of PagerDuty's Events API v2: it triggers or resolves."""
    body: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if message.ends else "trigger",
        "dedup_key": f"orgdesk:{object_key}"[:255],
        "payload": {
            "summary": message.title[:1_024],
            "source": "orgdesk",
            "severity": message.severity,
            "timestamp": payload["timestamp"],
            "component": payload["data"]["organization"]["external_id"],
            "class": payload["type"],
            "custom_details": dict(message.figures),
        },
    }
    if message.url:
        body["links"] = [{"href": message.url, "text": "View in Orgdesk"}]
        body["client"], body["client_url"] = "Orgdesk", message.url
    return body
