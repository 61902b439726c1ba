"""Content parts of chat ↔ content blocks of Messages: texts, images and documents."""

from __future__ import annotations

from typing import Any, Final

from crossmodel.gateway.translation.hints import BLOCK_HINTS, PART_HINTS
from crossmodel.gateway.translation.reading import Json, list_of, object_of, only, refuse, text_of

_PDF: Final = "application/pdf"


def to_blocks(content: object, path: str) -> list[Json]:
    """A chat message's content as blocks. Empty texts, which Messages refuses, are left out."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_block(content)] if content else []
    blocks = [
        _to_block(object_of(part, f"{path}[{n}]"), f"{path}[{n}]")
        for n, part in enumerate(list_of(content, path))
    ]
    return [block for block in blocks if block.get("text") != ""]


def text_block(text: str) -> Json:
    """A block of text."""
    return {"type": "text", "text": text}


def text_blocks(content: object, path: str) -> list[Json]:
    """Content that may hold nothing but text, such as a system message's."""
    blocks = to_blocks(content, path)
    for block in blocks:
        if block["type"] != "text":
            raise refuse(path, f"must hold text only here, not {block['type']}")
    return blocks


def shortest(blocks: list[Json]) -> str | list[Json]:
    """Blocks in the shorter of the two ways to write them: one text is a string."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks


def to_part(block: Json, path: str) -> Json:
    """A text, image or document block as a content part of chat."""
    kind = block.get("type")
    if kind == "text":
        only(block, path, ("type", "text"), BLOCK_HINTS)
        return {"type": "text", "text": text_of(block.get("text"), f"{path}.text")}
    if kind == "image":
        only(block, path, ("type", "source"), BLOCK_HINTS)
        return {"type": "image_url", "image_url": {"url": _image_url(block, path)}}
    if kind == "document":
        return _to_file(block, path)
    raise refuse(f"{path}.type", f"{kind!r} cannot be sent to a chat model")


def _to_block(part: Json, path: str) -> Json:
    kind = part.get("type")
    if kind == "text":
        only(part, path, ("type", "text"), PART_HINTS)
        return text_block(text_of(part.get("text"), f"{path}.text"))
    if kind == "refusal":
        only(part, path, ("type", "refusal"), PART_HINTS)
        return text_block(text_of(part.get("refusal"), f"{path}.refusal"))
    if kind == "image_url":
        only(part, path, ("type", "image_url"), PART_HINTS)
        image = object_of(part.get("image_url"), f"{path}.image_url")
        only(image, f"{path}.image_url", ("url", "detail"))
        url = text_of(image.get("url"), f"{path}.image_url.url")
        return {"type": "image", "source": _source(url, f"{path}.image_url.url")}
    if kind == "file":
        return _from_file(part, path)
    raise refuse(f"{path}.type", f"{kind!r} cannot be sent to a Messages model")


def _source(url: str, path: str) -> Json:
    scheme = url[:8].lower()
    if scheme.startswith("data:"):
        media_type, data = _split(url, path)
        return {"type": "base64", "media_type": media_type, "data": data}
    if scheme.startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    raise refuse(path, "must be a data:, http: or https: URL")


def _split(url: str, path: str) -> tuple[str, str]:
    """Media type and base64 of a data URL (RFC 2397)."""
    head, comma, data = url.partition(",")
    media_type, *parameters = head[5:].split(";")
    if not comma or not media_type or "base64" not in (p.strip().lower() for p in parameters):
        raise refuse(path, "a data: URL must say its media type and be base64")
    return media_type.strip().lower(), data


def _image_url(block: Json, path: str) -> str:
    source = object_of(block.get("source"), f"{path}.source")
    kind = source.get("type")
    if kind == "url":
        only(source, f"{path}.source", ("type", "url"))
        return text_of(source.get("url"), f"{path}.source.url")
    if kind == "base64":
        return _data_url(source, f"{path}.source")
    raise refuse(f"{path}.source.type", f"{kind!r} cannot be sent to a chat model")


def _data_url(source: Json, path: str) -> str:
    only(source, path, ("type", "media_type", "data"))
    media_type = text_of(source.get("media_type"), f"{path}.media_type")
    if not media_type or "," in media_type or ";" in media_type:
        raise refuse(f"{path}.media_type", f"{media_type!r} is no media type")
    return f"data:{media_type};base64,{text_of(source.get('data'), f'{path}.data')}"


def _from_file(part: Json, path: str) -> Json:
    only(part, path, ("type", "file"), PART_HINTS)
    file = object_of(part.get("file"), f"{path}.file")
    only(file, f"{path}.file", ("file_data", "filename"))
    where = f"{path}.file.file_data"
    media_type, data = _split(text_of(file.get("file_data"), where), where)
    if media_type != _PDF:
        raise refuse(where, f"only {_PDF} can be sent to a Messages model, not {media_type}")
    source = {"type": "base64", "media_type": media_type, "data": data}
    block: dict[str, Any] = {"type": "document", "source": source}
    if file.get("filename") is not None:
        block["title"] = text_of(file["filename"], f"{path}.file.filename")
    return block


def _to_file(block: Json, path: str) -> Json:
    only(block, path, ("type", "source", "title"), BLOCK_HINTS)
    source = object_of(block.get("source"), f"{path}.source")
    kind, media_type = source.get("type"), source.get("media_type")
    if kind != "base64" or media_type != _PDF:
        raise refuse(f"{path}.source", f"only a base64 {_PDF} can be sent to a chat model")
    file = {"file_data": _data_url(source, f"{path}.source")}
    if block.get("title") is not None:
        file["filename"] = text_of(block["title"], f"{path}.title")
    return {"type": "file", "file": file}
