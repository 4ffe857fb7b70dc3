"""The YAML of a manifest: a key stands once, and words that a file holds are read as they are written."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

_STR, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_BOOL, _DATE, _INT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int"
_OF_OUTCOMES = ("classes", "event_when", "censored_when", "missing")  # words that the file of the outcome holds
_OF_MODALITIES = ("missing", "codes", "where")


class ManifestLoader(yaml.SafeLoader):
    r"""The safe loader, which also refuses a key that is given twice: the first would be lost in silence.

    Examples
    --------
    >>> text = "outcome: {classes: [no, yes]}\nmodalities: {m: {missing: {smoker: [no, 007, -9]}}}"
    >>> yaml.load(text, Loader=ManifestLoader)
    {'outcome': {'classes': ['no', 'yes']}, 'modalities': {'m': {'missing': {'smoker': ['no', '007', -9]}}}}
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", node.start_mark)
        for key, (_, value) in zip(keys, node.value, strict=True):
            if key == "outcome" and isinstance(value, yaml.MappingNode):
                for name, words in value.value:
                    if name.value in _OF_OUTCOMES:
                        _as_written(words)
            if key == "modalities" and isinstance(value, yaml.MappingNode):
                for _, section in value.value:
                    for name, words in section.value if isinstance(section, yaml.MappingNode) else ():
                        if name.value in _OF_MODALITIES:
                            _words_as_written(words)
        return super().construct_mapping(node, deep)


def _as_written(node: yaml.Node) -> None:
    """Have words read as they are written: ``yes`` is no ``True`` and ``01`` no ``1`` where a file has these words."""
    if isinstance(node, yaml.SequenceNode):
        for part in node.value:
            if isinstance(part, yaml.ScalarNode) and part.value:
                part.tag = _STR
    elif isinstance(node, yaml.ScalarNode) and node.tag != _NULL:
        node.tag = _STR


def _words_as_written(node: yaml.Node) -> None:
    """Have what is no number read as it is written, in lists, and in mappings by column or by word."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _words_as_written(key)
            _words_as_written(value)
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            _words_as_written(part)
    elif isinstance(node, yaml.ScalarNode):
        code = node.tag == _INT and node.value.lstrip("+-")[:1] == "0" and len(node.value.lstrip("+-")) > 1
        if node.tag in (_BOOL, _DATE) or code:
            node.tag = _STR
